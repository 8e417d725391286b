"""Engines that come and go while a service answers: real servers, each a process of its own."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx2
import openai
import psutil
import pytest
from openai import OpenAI

from rag.cli.frame import run
from rag.embed import FakeEncoder
from rag.settings import load

WITHIN_S = 60
Vllm = Any  # FakeVllms of conftest.py
Rag = Callable[..., dict]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def serve(start_service, data_dir: Path):
    """Starts a service that commands find, over engines with these URLs."""

    def start(*urls: str, **sections: object):
        engine = {"urls": urls, "probe_s": 0.2}
        own = {"data_dir": data_dir, "engine": engine, "cache": {"warm": False}, **sections}
        return start_service(load(own).settings, encoder=FakeEncoder(), is_announced=True)

    return start


@pytest.fixture
def rag(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> Rag:
    """The document of a command, with its exit code as `rc`."""

    def call(*words: str) -> dict:
        status = run([*words, "--data-dir", str(data_dir), "--json"])
        printed = capsys.readouterr().out  # with the log of the service, which runs in this process
        start = re.search(r"^\{$", printed, re.MULTILINE)
        assert start, printed
        return {"rc": status, **json.JSONDecoder().raw_decode(printed, start.start())[0]}

    return call


class Load:
    """Callers that keep asking, each question a new one. `answers` has the text of each, `failed` what failed."""

    def __init__(self, url: str, model: str, *, n_callers: int = 4) -> None:
        self.answers: list[str] = []
        self.failed: list[str] = []
        self._url, self._model = url, model
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(n_callers)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def more(self, n_answers: int = 12) -> list[str]:
        """The next answers."""
        n_before = len(self.answers)
        until(lambda: len(self.answers) >= n_before + n_answers)
        return self.answers[n_before:]

    def _ask(self, number: int) -> None:
        with OpenAI(base_url=f"{self._url}/v1", api_key="any", max_retries=0, timeout=WITHIN_S) as client:
            for n in range(100_000):
                if self._stop.is_set():
                    return
                question = {"role": "user", "content": f"How long is warranty {number}-{n}?"}
                try:
                    stream = client.chat.completions.create(model=self._model, messages=[question], stream=True)
                    parts = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
                except openai.APIError as error:
                    self.failed.append(str(error))
                else:
                    self.answers.append("".join(parts))


def test_engines_are_added_drained_and_removed_without_a_failed_request(serve, rag: Rag, vllm: Vllm) -> None:
    old, new = vllm("tiny", reply="From the old one."), vllm("tiny", reply="From the new one.")
    with serve(old, cache={"warm": True}) as url, Load(url, "tiny") as load:
        assert set(load.more()) == {"From the old one."}
        added = rag("engines", "add", new)
        assert (added["rc"], added["state"], added["model"], added["block_size"]) == (0, "ready", "tiny", 16)
        assert added["reuse"] == "on"
        drained = rag("engines", "drain", old)
        assert (drained["rc"], drained["state"], drained["running"]) == (0, "drained", 0)
        assert set(load.more()[4:]) == {"From the new one."}
        assert rag("engines", "add", old)["state"] == "ready"  # it was only drained
        assert [each["state"] for each in rag("engines", "list")["engines"]] == ["ready", "ready"]
        assert rag("engines", "remove", old)["state"] == "removed"
        assert set(load.more()[4:]) == {"From the new one."}
        [left] = rag("engines")["engines"]
        assert left["url"] == new
    assert load.failed == []
    assert httpx2.get(f"{old}/health", trust_env=False).status_code == 200  # it is not ours to end


def test_what_an_engine_has_under_way_ends_before_it_is_drained(serve, rag: Rag, vllm: Vllm) -> None:
    old, new = vllm("tiny", reply="slow words " * 8, token_ms=150), vllm("tiny", reply="quick")
    with serve(old) as url, OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        messages = [{"role": "user", "content": "How long is the warranty?"}]
        stream = client.chat.completions.create(model="tiny", messages=messages, stream=True)
        next(iter(stream))
        rag("engines", "add", new)
        late = rag("engines", "drain", old, "--wait", "0.1")
        assert (late["rc"], late["error"]["code"]) == (3, "engine_timeout")
        assert "still has 1 requests" in late["error"]["message"]
        assert "".join(c.choices[0].delta.content or "" for c in stream if c.choices).count("slow words") >= 7
        assert rag("engines", "drain", old)["state"] == "drained"


def test_an_engine_that_does_not_fit_is_not_added(serve, rag: Rag, vllm: Vllm) -> None:
    first, narrow = vllm("tiny"), vllm("tiny", window_tokens=512)
    unreadable = vllm("other", source="/there/is/no/such/folder")
    with serve(first):
        for words, rc, code, what in (
            ((narrow,), 2, "engine_refused", "window of 512"),
            ((unreadable,), 2, "engine_refused", "no such folder"),
            (("http://127.0.0.1:9",), 3, "engine_unavailable", "not reachable"),
            (("ftp://nowhere",), 2, None, "nowhere' is none"),
            ((first,), 2, None, "is there already"),
            ((), 2, None, "Name either the url"),
        ):
            refused = rag("engines", "add", *words)
            assert (refused["rc"], refused["error"]["code"]) == (rc, code), refused
            assert what.replace(" ", "") in refused["error"]["message"].replace(" ", "").replace("/", ""), refused
        unknown = rag("engines", "drain", "http://127.0.0.1:9")
        assert (unknown["rc"], unknown["error"]["code"]) == (1, "engine_not_found")
        last = rag("engines", "remove", first)
        assert (last["rc"], last["error"]["code"]) == (2, "last_engine")
        assert [each["url"] for each in rag("engines", "list")["engines"]] == [first]


def test_a_model_gives_way_to_another_without_a_failed_request(data_dir: Path, rag: Rag, vllm: Vllm, rag_serve) -> None:
    old, new = vllm("old", reply="From the old one."), vllm("new", reply="From the new one.")
    config, log = data_dir / "own.toml", data_dir / "run" / "serve.log"

    def shift(share: float) -> None:
        config.write_text(
            f'[models.aliases]\nchat = [{{model = "old", share = {1 - share}}}, {{model = "new", share = {share}}}]\n'
        )

    def reloaded(n_times: int) -> bool:
        return log.read_text().count('"configuration_reloaded"') == n_times

    shift(0)
    with rag_serve("--engine-url", old, "--config", str(config)) as service:
        url = json.loads((data_dir / "run" / "service.json").read_text())["url"]
        with Load(url, "chat") as load:
            assert set(load.more()) == {"From the old one."}
            added = rag("engines", "add", new)
            assert (added["rc"], added["model"]) == (0, "new")
            names = [each["id"] for each in httpx2.get(f"{url}/v1/models", trust_env=False).json()["data"]]
            assert names[:3] == ["old", "new", "chat"]
            assert set(load.more()[4:]) == {"From the old one."}  # as the alias says
            shift(0.5)
            service.send_signal(signal.SIGHUP)
            until(lambda: reloaded(1))
            assert set(load.more(40)) == {"From the old one.", "From the new one."}
            config.write_text("[models]\naliases = 7\n")
            service.send_signal(signal.SIGHUP)
            until(lambda: '"configuration_not_reloaded"' in log.read_text())
            shift(1)
            service.send_signal(signal.SIGHUP)
            until(lambda: reloaded(2))
            assert set(load.more()[4:]) == {"From the new one."}
            assert rag("engines", "remove", old)["state"] == "removed"
            assert set(load.more()) == {"From the new one."}
        assert load.failed == []
        assert [each["model"] for each in rag("engines")["engines"]] == ["new"]
        with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
            client.chat.completions.create(model="new", messages=[{"role": "user", "content": "Still there?"}])
            with pytest.raises(openai.NotFoundError, match="'old' does not exist"):
                client.chat.completions.create(model="old", messages=[{"role": "user", "content": "Still there?"}])
        until(lambda: '"model_gone"' in log.read_text())


def test_a_model_that_fails_loses_its_conversations_to_the_former(serve, rag: Rag, vllm: Vllm) -> None:
    old, new = vllm("old", reply="From the old one."), vllm("new", reply="From the new one.", fail_after=2)
    shares = [{"model": "old", "share": 0.5}, {"model": "new", "share": 0.5}]
    with serve(old, models={"aliases": {"chat": shares}}) as url:
        assert rag("engines", "add", new)["rc"] == 0
        with Load(url, "chat") as load:
            until(lambda: 'alias_left{alias="chat",model="new"} 1.0' in httpx2.get(f"{url}/metrics").text)
            n_failed = len(load.failed)
            load.more(40)
        assert 3 <= n_failed <= len(load.failed) <= n_failed + 4  # those under way
        assert set(load.answers) == {"From the old one."}


def test_an_engine_that_comes_back_with_another_model_stands_beside_the_others(serve, rag: Rag, vllm: Vllm) -> None:
    first, second = vllm("old", reply="From the old one."), vllm("old", reply="From the old one.")
    with serve(first, second) as url, Load(url, "old") as load:
        assert rag("engines", "drain", second)["state"] == "drained"
        vllm.kill(second)
        vllm("new", port=int(second.rpartition(":")[2]), reply="From the new one.")
        until(lambda: rag("engines")["engines"][1]["model"] == "new")
        until(lambda: rag("engines")["engines"][1]["state"] == "drained")  # nobody has said otherwise
        assert rag("engines", "add", second)["state"] == "ready"
        assert set(load.more()) == {"From the old one."}
        with Load(url, "new") as other:
            assert set(other.more()) == {"From the new one."}
    assert load.failed == other.failed == []


_STUB = """
import sys
from rag.engine import fake_server
value = lambda name: sys.argv[sys.argv.index(name) + 1]
options = {"port": value("--port"), "model": value("--served-model-name"), "source": value("--model")}
sys.argv = ["vllm", "--reply=From the local one.", *(f"--{name}={each}" for name, each in options.items())]
fake_server.main()
"""


def test_a_local_engine_is_started_and_ended(
    serve, rag: Rag, vllm: Vllm, tiny_format: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "packages" / "vllm" / "entrypoints" / "openai"
    folder.mkdir(parents=True)
    for package in (folder, *folder.parents[:2]):
        (package / "__init__.py").touch()
    (folder / "api_server.py").write_text(_STUB)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"), prepend=os.pathsep)
    with serve(vllm("tiny")) as url:
        added = rag("engines", "add", "--model", str(tiny_format))
        assert (added["rc"], added["state"], added["model"]) == (0, "ready", tiny_format.name)
        assert psutil.pid_exists(added["pid"])
        with Load(url, tiny_format.name, n_callers=1) as load:
            assert set(load.more(2)) == {"From the local one."}
        assert load.failed == []
        removed = rag("engines", "remove", added["name"])
        assert (removed["rc"], removed["state"]) == (0, "removed")
        assert not psutil.pid_exists(added["pid"])
        wrong = rag("engines", "add", "--model", str(tmp_path))
        assert (wrong["rc"], "is not a model" in wrong["error"]["message"]) == (2, True)
