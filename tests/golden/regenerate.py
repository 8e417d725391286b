"""Writes the golden files and the generated pages of docs/ anew: `python tests/golden/regenerate.py`.

Read the difference before you commit it.
"""

import json
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from rag.api.app import create_app
from rag.api.reference import endpoints
from rag.api.state import State
from rag.cli.app import app
from rag.settings import Loaded, Settings
from rag.telemetry import LABELS, Metrics

FOLDER = Path(__file__).parent
OPENAI_PAGE = FOLDER.parents[1] / "docs" / "openai.md"
MARK = "<!-- From here on the page is generated from the schemas: python tests/golden/regenerate.py -->"
PICTURES = runpy.run_path(str(FOLDER / "pictures.py"))
PLAIN = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}


def cli_help() -> str:
    """The help of every command, as a terminal of 100 columns shows it."""
    return "\n".join(f"$ rag {' '.join([*words, '--help'])}\n{help_of(words)}" for words in commands())


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command, that of `rag` itself being none, in the order of the help."""
    waiting: list[tuple[tuple[str, ...], object]] = [((), get_command(app))]
    while waiting:
        words, command = waiting.pop()
        yield words
        inner = getattr(command, "commands", {})
        waiting.extend(((*words, name), inner[name]) for name in reversed(inner))


def help_of(words: tuple[str, ...]) -> str:
    """What `rag … --help` prints."""
    done = CliRunner().invoke(app, [*words, "--help"], prog_name="rag", env=PLAIN)
    if done.exit_code != 0:
        raise SystemExit(f"rag {' '.join(words)} --help ended with {done.exit_code}: {done.output}")
    return done.stdout


def configuration() -> str:
    """The page of all settings."""
    lines = [
        "# Settings",
        "",
        "Defaults < `prefixrag.toml` in the working directory (or `--config FILE`, `RAG_CONFIG`) < environment <",
        "command line. The embedded chat model has defaults of its own (`rag/settings/recommended.py`).",
        "A section and a name are joined by two underscores in the environment: `RAG_SERVER__PORT=9000`.",
        "Unknown names are errors. `rag config` prints every value and where it came from.",
        "This page is generated from `rag/settings/tree.py`.",
        "",
        "| setting | default | |",
        "| --- | --- | --- |",
    ]
    for setting in Loaded(Settings(), ()).describe():
        default = "" if setting.default is None else f"`{json.dumps(setting.default)}`"
        lines.append(f"| `{setting.name}` | {default} | {setting.description} |")
    return "\n".join(lines) + "\n"


def metrics() -> str:
    """The page of all metrics."""
    table = Metrics().table
    lines = [
        "# Metrics",
        "",
        "`GET /metrics` gives these in Prometheus' text format, to keys of the scope `admin`. Units stand in the",
        "names: seconds, bytes, tokens. Of a histogram there are `_bucket`, `_sum` and `_count`. Counters start from",
        "zero when the service does, which `_created` says. An answer counts when it is finished, and one that its",
        "client cut off does not.",
        "",
        "vLLM has metrics of its own at each engine. Its `vllm:prompt_tokens_total` and `vllm:prefix_cache_hits_total`",
        "grow by as much as `rag_prompt_tokens_total` and `rag_cached_tokens_total`, and by the prompts of probes, of",
        "warming, of answers that were cut off, and of its other clients. `process_*` and `python_*` are metrics of",
        "Prometheus' Python client.",
        "",
        "Alerts on them: [alerts.md](alerts.md). This page is generated from `rag/telemetry/metrics.py`.",
        "",
        "| metric | kind | labels | |",
        "| --- | --- | --- | --- |",
    ]
    for row in table.rows:
        labels = ", ".join(f"`{label}`" for label in row.labels)
        lines.append(f"| `{row.name}` | {row.kind} | {labels} | {row.meaning} |")
    used = {label for row in table.rows for label in row.labels}
    lines += ["", "| label | |", "| --- | --- |", *(f"| `{label}` | {LABELS[label]} |" for label in sorted(used))]
    return "\n".join(lines) + "\n"


def openapi() -> str:
    """The service's OpenAPI document."""
    return json.dumps(create_app(State(Settings())).openapi(), indent=1, ensure_ascii=False) + "\n"


def openai_page() -> str:
    """The page of the API: what was written by hand, up to the mark, and the tables."""
    by_hand = OPENAI_PAGE.read_text("utf-8").partition(MARK)[0]
    lines = [MARK, ""]
    for endpoint in endpoints(create_app(State(Settings()))):
        lines += [f"### `{endpoint.method} {endpoint.path}`", "", endpoint.summary, ""]
        if endpoint.parameters:
            lines += ["| parameter | | meaning |", "| --- | --- | --- |"]
        for each in endpoint.parameters:
            place = "" if each.place == "body" else f" ({each.place})"
            lines.append(f"| `{each.name}`{place} | {each.support} | {each.meaning.replace('|', chr(92) + '|')} |")
        lines += [""] if endpoint.parameters else []
    return by_hand + "\n".join(lines).rstrip() + "\n"


GOLDEN: dict[str, tuple[Path, Callable[[], str]]] = {
    "cli_help.txt": (FOLDER / "cli_help.txt", cli_help),
    "openapi.json": (FOLDER / "openapi.json", openapi),
    "openai.md": (OPENAI_PAGE, openai_page),
    "configuration.md": (FOLDER.parents[1] / "docs" / "configuration.md", configuration),
    "metrics.md": (FOLDER.parents[1] / "docs" / "metrics.md", metrics),
    **{name: (PICTURES["IMAGES"] / name, draw) for name, draw in PICTURES["PICTURES"].items()},
}

if __name__ == "__main__":
    for file, make in GOLDEN.values():
        file.write_text(make(), "utf-8")
