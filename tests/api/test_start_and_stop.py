"""`rag serve` as a process: what it answers while its engine starts, and that it leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
import pytest

# Stands for vLLM's server: it says something and never gets ready.
_SLOW = "import time\nprint('loading the weights', flush=True)\ntime.sleep(600)\n"
_WAIT_S = 60.0


@pytest.fixture
def environment(tmp_path: Path, tiny_format: Path) -> dict[str, str]:
    """An environment in which the engine is the slow one."""
    folder = tmp_path / "packages" / "vllm" / "entrypoints" / "openai"
    folder.mkdir(parents=True)
    for package in (folder, *folder.parents[:2]):
        (package / "__init__.py").touch()
    (folder / "api_server.py").write_text(_SLOW)
    path = os.pathsep.join([str(tmp_path / "packages"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path, "RAG_ENGINE__MODEL": str(tiny_format)}


def rag_serve(data_dir: Path, environment: dict[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "rag", "serve", "--port", "0", "--data-dir", str(data_dir)]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@contextmanager
def starting(data_dir: Path, environment: dict[str, str]) -> Iterator[tuple["subprocess.Popen[str]", psutil.Process]]:
    """A service whose engine is starting, and the engine."""
    with rag_serve(data_dir, environment) as service:
        engine = None
        try:
            log = data_dir / "run" / "engine.log"
            wait(lambda: (log.exists() and "loading" in log.read_text()) or service.poll() is not None)
            assert service.poll() is None, service.stdout and service.stdout.read()
            (engine,) = psutil.Process(service.pid).children()
            yield service, engine
        finally:
            service.kill()
            if engine and engine.is_running():
                engine.kill()


def wait(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + _WAIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def has_ended(engine: psutil.Process) -> bool:
    return not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE


def test_while_the_engine_starts_requests_are_told_to_come_back(tmp_path: Path, environment: dict[str, str]) -> None:
    data_dir = tmp_path / "data"
    with starting(data_dir, environment) as (service, engine):
        note = data_dir / "run" / "service.json"
        url = json.loads(note.read_text())["url"]
        with httpx2.Client(base_url=url, trust_env=False) as client:
            assert client.get("/health").status_code == 200
            ready = client.get("/ready")
            assert (ready.status_code, ready.json()["status"]) == (503, "starting")
            body = {"model": "any", "messages": [{"role": "user", "content": "Hello?"}]}
            refused = client.post("/v1/chat/completions", json=body)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.json()["error"].keys() == {"message", "type", "param", "code"}
        assert refused.json()["error"]["code"] == "engine_unavailable"

        command = [sys.executable, "-m", "rag", "keys", "create", "--name", "bot", "--data-dir", str(data_dir)]
        key = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
        for token, status in ((None, 401), ("wrong", 401), (key, 503), (json.loads(note.read_text())["token"], 503)):
            headers = {"authorization": f"Bearer {token}"} if token else {}
            assert httpx2.get(f"{url}/v1/models", headers=headers, trust_env=False).status_code == status

        with rag_serve(data_dir, environment) as second:
            said, _ = second.communicate(timeout=_WAIT_S)
        assert second.returncode == 2
        assert "Another service runs on the data directory" in said
        left = json.loads(note.read_text())
        assert (left["url"], left["pid"]) == (url, service.pid)
        assert note.stat().st_mode & 0o777 == 0o600

        service.send_signal(signal.SIGTERM)
        said, _ = service.communicate(timeout=_WAIT_S)
        assert service.returncode == 0
        assert "Traceback" not in said
        assert has_ended(engine)
        assert not note.exists()


def test_a_killed_service_takes_its_engine_along(tmp_path: Path, environment: dict[str, str]) -> None:
    with starting(tmp_path / "data", environment) as (service, engine):
        service.kill()
        wait(lambda: has_ended(engine))


def test_an_engine_that_never_gets_ready_is_given_up(tmp_path: Path, environment: dict[str, str]) -> None:
    data_dir = tmp_path / "data"
    (data_dir / "run").mkdir(parents=True)
    (data_dir / "run" / "engine.log").write_text("OSError: this was another start\n")
    environment["RAG_ENGINE__START_TIMEOUT_S"] = "2"
    with rag_serve(data_dir, environment) as service:
        said, _ = service.communicate(timeout=_WAIT_S)
    assert service.returncode == 3
    last = said.splitlines()[-1]
    assert last.startswith("error: ")
    assert "was not ready after 2 s: 'loading the weights'" in last
    assert "engine.start_timeout_s" in last
    assert "Traceback" not in said
