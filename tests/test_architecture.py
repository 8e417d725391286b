"""The map of the rooms: which module may import which. The table is the law, README.md prints it."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAX_LINES = 400

BASE = {"rag.types", "rag.errors"}  # every room may import these two
LEAVES = BASE | {"rag.settings", "rag.telemetry"}
DATA = {"rag.models", "rag.store", "rag.embed", "rag.retrieve"}
PROMPT = {
    "rag.plan",
    "rag.render",
    "rag.renderer",
    "rag.engine",
    "rag.cite",
    "rag.passages",
    "rag.prefixes",
    "rag.planner",
    "rag.fleet",
    "rag.served",
}
PATH = {
    "rag.abstain",
    "rag.admission",
    "rag.answering",
    "rag.applications",
    "rag.ask",
    "rag.choices",
    "rag.clock",
    "rag.compose",
    "rag.ledger",
    "rag.needs",
    "rag.quotes",
    "rag.recall",
    "rag.rooms",
    "rag.sampling",
}

# A room is a module or a package; of two names that fit a module the longer one is its room.
MAY_IMPORT: dict[str, set[str]] = {
    "rag": set(),
    "rag.__main__": {"rag.cli"},
    "rag.types": set(),
    "rag.errors": set(),
    "rag.foreword": set(),
    "rag.scripts": set(),
    "rag.processor": set(),
    "rag.settings": BASE,
    "rag.telemetry": BASE | {"rag.settings"},
    "rag.auth": BASE | {"rag.ask", "rag.store"},
    "rag.models": BASE | {"rag.settings"},
    "rag.capacity": BASE,
    "rag.store": BASE | {"rag.foreword", "rag.scripts", "rag.settings"},
    "rag.remote": BASE,
    "rag.sharing": LEAVES | {"rag.remote", "rag.store"},
    "rag.embed": BASE | {"rag.settings", "rag.models", "rag.processor"},
    "rag.retrieve": BASE | {"rag.store", "rag.embed", "rag.retrieve.filter"},
    "rag.retrieve.filter": BASE,
    "rag.library": BASE | {"rag.store", "rag.retrieve", "rag.retrieve.filter"},
    "rag.indexing": BASE | {"rag.telemetry", "rag.embed", "rag.library", "rag.store"},
    "rag.plan": BASE,
    "rag.render": BASE | {"rag.cite", "rag.plan", "rag.scripts"},
    "rag.renderer": BASE | {"rag.models", "rag.render", "rag.settings"},
    "rag.passages": BASE | {"rag.render", "rag.store"},
    "rag.prefixes": BASE | {"rag.plan", "rag.passages", "rag.store"},
    "rag.planner": BASE | {"rag.plan", "rag.render"},
    "rag.served": LEAVES
    | {"rag.engine", "rag.passages", "rag.plan", "rag.planner", "rag.prefixes"}
    | {"rag.render", "rag.renderer", "rag.store"},
    "rag.fleet": LEAVES | {"rag.engine", "rag.models", "rag.served"},
    "rag.recall": BASE | {"rag.plan", "rag.prefixes", "rag.store"},
    "rag.applications": set(),
    "rag.aliases": LEAVES,
    "rag.groups": BASE,
    "rag.tally": BASE | {"rag.ask"},
    "rag.warm": BASE | {"rag.engine", "rag.served", "rag.plan", "rag.rooms", "rag.store"},
    "rag.holdings": BASE | {"rag.engine", "rag.plan", "rag.rooms", "rag.store", "rag.tally"},
    "rag.engine": LEAVES | {"rag.plan", "rag.processor"},
    "rag.cite": BASE | {"rag.scripts"},
    "rag.pdf": BASE,
    "rag.checking": BASE | {"rag.cite", "rag.embed", "rag.store"},
    "rag.quotes": BASE | {"rag.ask", "rag.cite"},
    "rag.abstain": BASE | {"rag.ask", "rag.cite", "rag.language", "rag.scripts"},
    "rag.tools": BASE,
    "rag.answering": BASE | {"rag.ask", "rag.choices", "rag.cite", "rag.quotes"},
    "rag.choices": BASE | {"rag.ask", "rag.cite", "rag.tools"},
    "rag.ask": BASE | {"rag.retrieve.filter"},
    "rag.clock": {"rag.telemetry"},
    "rag.admission": LEAVES,
    "rag.language": set(),
    "rag.notes": {"rag.language"},
    "rag.ledger": LEAVES | {"rag.applications", "rag.ask", "rag.compose", "rag.engine", "rag.recall"},
    "rag.rooms": LEAVES
    | DATA
    | PROMPT
    | {"rag.abstain", "rag.aliases", "rag.applications", "rag.admission", "rag.auth", "rag.groups", "rag.tally"}
    | {"rag.checking", "rag.indexing", "rag.library", "rag.notes", "rag.pdf", "rag.sharing"},
    "rag.compose": BASE
    | PROMPT
    | {"rag.applications", "rag.ask", "rag.quotes", "rag.recall", "rag.rooms", "rag.store"},
    "rag.needs": BASE | {"rag.admission", "rag.ask", "rag.compose", "rag.rooms"},
    "rag.sampling": BASE | {"rag.ask", "rag.compose", "rag.rooms", "rag.tools"},
    "rag.completion": BASE | {"rag.admission", "rag.ask", "rag.clock", "rag.engine", "rag.rooms", "rag.telemetry"},
    "rag.pipeline": LEAVES | DATA | PROMPT | PATH,
    "rag.api": LEAVES
    | {
        "rag.ask",
        "rag.auth",
        "rag.cite",
        "rag.completion",
        "rag.compose",
        "rag.indexing",
        "rag.library",
        "rag.pdf",
        "rag.retrieve",
        "rag.retrieve.filter",
        "rag.render",
        "rag.store",
        "rag.embed",
        "rag.engine",
        "rag.holdings",
        "rag.rooms",
        "rag.pipeline",
        "rag.tally",
        "rag.warm",
    },
    "rag.bench": LEAVES
    | {
        "rag.abstain",
        "rag.cite",
        "rag.foreword",
        "rag.planner",
        "rag.recall",
        "rag.plan",
        "rag.render",
        "rag.renderer",
        "rag.engine",
        "rag.embed",
        "rag.models",
    },
    "rag.bench.sizes": LEAVES | {"rag.bench", "rag.embed", "rag.store"},
    "rag.bench.search": LEAVES | {"rag.bench", "rag.embed", "rag.retrieve", "rag.store"},
    "rag.bench.ingest": LEAVES | {"rag", "rag.bench", "rag.embed", "rag.models", "rag.store", "ingest"},
    "rag.bench.encoder_service": LEAVES | {"rag.api", "rag.engine", "rag.rooms", "ingest"},
    "rag.evaluate": BASE | {"rag.cite", "rag.scripts"},
    "rag.train": BASE
    | {"rag.cite", "rag.evaluate", "rag.models", "rag.plan", "rag.render", "rag.renderer", "rag.settings", "ingest"},
    "rag.demo": BASE | {"rag.bench", "rag.evaluate"},
    "rag.cli": LEAVES
    | DATA
    | PROMPT
    | PATH
    | {
        "rag",
        "rag.api",
        "rag.auth",
        "rag.bench",
        "rag.capacity",
        "rag.bench.search",
        "rag.bench.sizes",
        "rag.bench.ingest",
        "rag.demo",
        "rag.evaluate",
        "rag.remote",
        "rag.sharing",
        "ingest",
        "ingest.cluster",
    },
    "ingest": LEAVES | {"rag.foreword", "rag.store", "rag.embed", "rag.indexing", "rag.remote"},
    "ingest.cluster": LEAVES | {"rag.store", "rag.embed", "ingest"},
}
# The same plan gives the same bytes everywhere: no clock, chance, file, socket or thread.
IMPURE = {"asyncio", "datetime", "httpx2", "os", "random", "sqlite3", "threading", "time"}
MAY_NOT_IMPORT = {
    "rag.plan": IMPURE,
    "rag.render": IMPURE,
    "rag.cite": IMPURE,
    "rag.scripts": IMPURE,
    "rag.quotes": IMPURE,
    "rag.tools": IMPURE,
    "rag.retrieve.filter": IMPURE,
}
ONLY_IN = {
    "sqlite3": {"rag.store"},
    "faiss": {"rag.store"},
    "redis": {"rag.auth"},
    "opentelemetry": {"rag.telemetry"},
    "prometheus_client": {"rag.telemetry"},
    "ray": {"ingest.cluster"},
    "pyarrow": {"ingest.cluster"},
    "fsspec": {"rag.remote"},
    "vllm": set[str](),
}
# launch passes it on to the engine's process; Ray takes some of its settings from nowhere else.
READS_ENVIRONMENT = {"rag.settings.loading", "rag.engine.launch", "ingest.cluster.start"}


def violations(root: Path) -> list[str]:
    """What the modules below `root` do against the map, a line each."""
    return [
        f"{file.relative_to(root)}: {what}"
        for package in ("rag", "ingest")
        for file in sorted((root / package).rglob("*.py"))
        for what in _broken_by(".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"), file)
    ]


def _broken_by(module: str, file: Path) -> Iterator[str]:
    source = file.read_text(encoding="utf-8")
    if (n_lines := source.count("\n")) > MAX_LINES:
        yield f"has {n_lines} lines, more than {MAX_LINES}"
    room = _room(module)
    if room is None:
        yield "is in no room of the map"
        return
    tree = ast.parse(source)
    if module not in READS_ENVIRONMENT and any(map(_names_environment, ast.walk(tree))):
        yield "reads the environment"
    for name in _imports(tree, module if file.stem == "__init__" else module.rpartition(".")[0]):
        top, its_room = name.partition(".")[0], _room(name)
        if top in {"rag", "ingest"} and its_room not in MAY_IMPORT[room] | {room, "rag"}:
            yield f"imports {name}"
        if top in MAY_NOT_IMPORT.get(room, ()) or room not in ONLY_IN.get(top, {room}):
            yield f"imports {name}"


def _room(module: str) -> str | None:
    if module in {"rag", "rag.__version__"}:
        return "rag"
    fits = [room for room in MAY_IMPORT if room != "rag" and f"{module}.".startswith(f"{room}.")]
    return max(fits, key=len, default=None)


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _names_environment(node: ast.AST) -> bool:
    names = {"environ", "environb", "getenv"}
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(alias.name in names for alias in node.names)
    return isinstance(node, ast.Attribute) and node.attr in names


def test_every_module_keeps_to_the_map() -> None:
    assert violations(ROOT) == []


@pytest.mark.parametrize(
    ("path", "source", "what"),
    [
        ("rag/plan/order.py", "import time", "imports time"),
        ("rag/cite/parse.py", "from os import path", "imports os.path"),
        ("rag/plan/order.py", "from rag.store import Store", "imports rag.store.Store"),
        ("rag/store/catalog.py", "def f():\n    from rag import embed", "imports rag.embed"),
        ("rag/store/catalog.py", "from ..embed import Encoder", "imports rag.embed.Encoder"),
        ("rag/api/__init__.py", "from .. import planner", "imports rag.planner"),
        ("rag/api/chat.py", "import sqlite3", "imports sqlite3"),
        ("ingest/pipeline.py", "import faiss", "imports faiss"),
        ("ingest/run.py", "import ray.data", "imports ray.data"),
        ("rag/engine/launch.py", "import vllm.config", "imports vllm.config"),
        ("rag/pipeline.py", "import ingest", "imports ingest"),
        ("rag/rooms.py", "import rag.api.app", "imports rag.api.app"),
        ("ingest/scan.py", "import os\nos.environ['HOME']", "reads the environment"),
        ("rag/engine/http.py", "from os import getenv", "reads the environment"),
        ("rag/helpers.py", "", "is in no room of the map"),
        ("rag/cli.py", "import rag.helpers", "imports rag.helpers"),
        ("rag/types.py", "\n" * 401, "has 401 lines, more than 400"),
    ],
)
def test_a_violation_is_found(tmp_path: Path, path: str, source: str, what: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(source, encoding="utf-8")

    assert violations(tmp_path) == [f"{path}: {what}"]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("rag/plan/order.py", "from rag.types import Hit\nfrom .tree import PrefixTree"),
        ("rag/store/catalog.py", "import sqlite3\nfrom rag import __version__"),
        ("rag/engine/launch.py", "import os\nchild = dict(os.environ)"),
        ("rag/cli.py", "import ingest.pipeline\nfrom rag.api import app"),
    ],
)
def test_what_the_map_allows_passes(tmp_path: Path, path: str, source: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(source, encoding="utf-8")

    assert violations(tmp_path) == []


def test_every_folder_with_tests_is_run() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed = tomllib.load(file)["tool"]["pytest"]["ini_options"]["testpaths"]
    folders = {
        file.relative_to(ROOT).parts[1] for file in (ROOT / "tests").rglob("test_*.py") if file.parent.name != "tests"
    }

    assert folders <= {Path(path).name for path in listed}
