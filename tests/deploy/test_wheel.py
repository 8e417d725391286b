"""The built package, alone: a wheel made from the sdist, installed without the checkout, used from an empty folder."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tarfile
import time
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("rag", "ingest", "prompts", "adapters")
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_{}(sys.argv[1]))"

pytestmark = pytest.mark.timeout(900)


def tracked(*folders: str) -> set[str]:
    """The files below the folders that are part of the repository, or will be with the next commit."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return {name for name in listed if name and (ROOT / name).is_file()}


def build(kind: str, source: Path, folder: Path) -> Path:
    """What the build back end makes of `source`, asked as pip and `python -m build` do, with the setuptools here."""
    command = [sys.executable, "-c", BUILD.format(kind), str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / done.stdout.split("\n")[-2]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """Made from a copy of the repository's files, so that nothing that lies about gets in, and nothing is left here."""
    clone = tmp_path_factory.mktemp("clone")
    for name in tracked(*PACKAGES, "data", "docs", "*.md", "LICENSE", "MANIFEST.in", "pyproject.toml", "setup.py"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name)
    return build("sdist", clone, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = folder.iterdir()
    return build("wheel", unpacked, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def program(wheel, tmp_path_factory) -> Path:
    """`rag` of an environment that has the wheel and sees the packages that this one has, but not this checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    target = [f"--python={folder / 'bin' / 'python'}", "install", "--no-deps", "--no-index", "--quiet", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *target], check=True)
    # A path file below a path file is not read: this environment's link to the checkout does not come with it.
    (packages / "locked.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "bin" / "rag"


@pytest.fixture
def empty(tmp_path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def environment(model: Path) -> dict[str, str]:
    """Nothing that leads to the checkout. The chat model's tokenizer and the embedding model are small ones."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    return kept | {"RAG_ENGINE__MODEL": str(model), "RAG_EMBEDDING__MODEL": "fake", "HF_HUB_OFFLINE": "1"}


def test_the_wheel_has_every_file_of_the_packages_and_the_sample(wheel) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    sample = {name.replace("data/", "rag/", 1) for name in tracked("data/sample")}

    assert sample
    assert (tracked(*PACKAGES) | sample) - inside == set()
    top = {name.partition("/")[0] for name in inside}
    assert {name for name in top if not name.endswith(".dist-info")} == set(PACKAGES)


def test_the_sdist_has_the_pages_and_nothing_of_this_machine(sdist) -> None:
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}

    assert tracked("docs", "*.md", "LICENSE") - tracked("tests", "requirements") - names - {"data/README.md"} == set()
    assert not [name for name in names if re.match(r"data/(?!sample/)|\.|tests/", name)]


def test_the_installed_program_ingests_its_sample_and_serves_it(program, empty, tiny_format) -> None:
    variables = environment(tiny_format)

    def rag(*words: str) -> str:
        done = subprocess.run([program, *words], cwd=empty, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert re.fullmatch(r"prefixrag \d+\.\d+\.\d+\S*\n", rag("--version"))
    summary = json.loads(rag("ingest", "--sample", "--json"))
    assert (summary["new"], summary["failed"]) == (len(tracked("data/sample")), [])
    hits = json.loads(rag("search", "How long is the standard warranty?", "--json"))["hits"]
    assert any("lasts 26 months" in hit["text"] for hit in hits)
    with serving(program, empty, variables, tiny_format) as url:
        said = rag("ask", "How long is the standard warranty?")
        assert "26 months" in said
        assert "\n[1] " in said
        assert httpx2.get(f"{url}/docs").status_code == 200
    assert {path.name for path in empty.iterdir()} == {"data"}


@contextmanager
def serving(program: Path, folder: Path, variables: dict[str, str], model: Path) -> Iterator[str]:
    """The URL of the installed service over the fake engine that it ships."""
    reply = "The standard warranty lasts 26 months. [1]"
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        port, engine_port = one.getsockname()[1], other.getsockname()[1]
    source = ["--port", str(engine_port), "--model", "tiny", "--source", str(model), "--reply", reply]
    engine = [program.with_name("python"), "-m", "rag.engine.fake_server", *source]
    service = [program, "serve", "--port", str(port), "--engine-url", f"http://127.0.0.1:{engine_port}"]
    processes = [
        subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.DEVNULL) for command in (engine, service)
    ]
    try:
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + 100
        while not is_ready(url):
            assert all(process.poll() is None for process in processes), "it has ended"
            assert time.monotonic() < end, "it does not get ready"
            time.sleep(0.1)
        yield url
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(30)


def is_ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/ready", timeout=5).status_code == 200
    except httpx2.TransportError:
        return False
