"""Every block of every page: run, or held against what reads it, or marked with the reason why it cannot be."""

import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from typer import Exit
from typer.exceptions import TyperException
from typer.main import get_command

from rag.cli.app import app
from rag.settings import Settings, known_variables

PAGES = runpy.run_path(str(Path(__file__).with_name("pages.py")))
ROOT, pages, read, commands = (PAGES[name] for name in ("ROOT", "pages", "read", "commands"))
BLOCKS = [block for page in pages() for block in PAGES["blocks_of"](page, read(page))]
SHELL, PYTHON, NODE = {"sh", "bash"}, {"python"}, {"js", "javascript"}
OTHER_SHELLS = {"zsh", "fish"}  # test_tab_key.py runs them
READ = {"json", "toml", "yaml", "nginx"}
SHOWN = {"text"}  # what a program prints
# Commands that run until they are interrupted, or need what is not here: their words are checked, and that is all.
WORDS_ALONE = (
    (r"\brag serve\b", "runs until it is interrupted; the page's service answers in its place"),
    (r"--watch\b|\brag top\b", "runs until it is interrupted"),
    (r"\brag chat\b", "talks with somebody at a terminal"),
    (r"\b(s3|gs)://", "needs shared storage"),
    (r"\brag engines add\b", "needs one more engine"),
)
COMMAND = get_command(app)
COMPOSE = (ROOT / "deploy/compose/docker-compose.yml").read_text("utf-8")
PROGRAMS = ("rag ", "make ", "curl ", "pip ", "npm ", "python ", "node ", "docker ", "kubectl ", "$ ")

pytestmark = pytest.mark.timeout(900)  # the first block that runs starts the service


def ids(block) -> str:
    return block.place


def of(*languages: str) -> list:
    return [block for block in BLOCKS if block.language in languages]


def words_of(line: str) -> list[str] | None:
    """The words of a command of `rag`, without what is set in front of it; None: it is another program's."""
    if not re.match(r"([A-Z_]+=\S+ +)*rag\b", line):
        return None
    found = shlex.split(line)
    while found and re.fullmatch(r"[A-Z_]+=.*", found[0]):
        found = found[1:]
    end = next((place for place, word in enumerate(found) if word in {"&&", "|", "<", ">", ">>", ";"}), len(found))
    return found[1:end]


def check_words(words: list[str]) -> None:
    """Nothing; `rag` takes these words. Nothing is done."""
    command, context, info = COMMAND, None, "rag"
    while True:
        context = command.make_context(info, list(words), parent=context)
        rest = [*context._protected_args, *context.args]
        if not hasattr(command, "commands") or not rest:
            return
        info, command, words = command.resolve_command(context, rest)


def alone(line: str) -> str | None:
    """Why a command is not run although its block is; None: it is run."""
    return next((why for pattern, why in WORDS_ALONE if re.search(pattern, line)), None)


def shortened(code: str) -> str:
    """The block with those commands left out that are not run; their words have been checked."""
    return "\n".join(":" if alone(line) else line for line in code.replace("\\\n", " ").split("\n"))


@pytest.mark.parametrize("block", BLOCKS, ids=ids)
def test_a_block_says_what_it_is_and_a_mark_why(block) -> None:
    known = SHELL | OTHER_SHELLS | PYTHON | NODE | READ | SHOWN
    assert block.language in known, f"{block.place}: name the language of the block, one of {sorted(known)}"
    if block.language in SHOWN:
        commanding = [line for line in block.code.split("\n") if line.startswith(PROGRAMS)]
        assert not commanding, f"{block.place}: commands belong in a block of sh: {commanding}"
        assert not block.not_run, f"{block.place}: a block of text is not run anyway"
    if block.language in NODE:
        assert block.run_with == "node", f"{block.place}: mark it <!-- run with: node -->"
    if block.language in OTHER_SHELLS:
        assert block.page == "docs/terminal.md", f"{block.place}: nothing runs a block of {block.language} here"
    if block.not_run:
        assert len(block.not_run.split()) >= 3, f"{block.place}: say why it cannot be run"


@pytest.mark.parametrize("block", of(*SHELL), ids=ids)
def test_shell_blocks_are_shell_and_their_rag_commands_exist(block) -> None:
    checked = subprocess.run(["bash", "-n", "-c", block.code], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, f"{block.place}: {checked.stderr}"
    for line in commands(block.code):
        if (words := words_of(line)) is not None:
            try:
                check_words(words)
            except (TyperException, Exit) as error:
                pytest.fail(f"{block.place}: `{line}`: {error}")


# The tutorial has a test of its own; the Chinese page has the blocks of the English one, which test_pages.py sees to.
RUN = [
    one
    for one in of(*SHELL, *PYTHON)
    if not one.not_run and not one.run_with and one.page not in {"README.zh.md", "docs/tutorial.md"}
]


@pytest.mark.parametrize("block", RUN, ids=ids)
def test_it_runs(block, shell_of) -> None:
    shell_of(block.page).run(shortened(block.code) if block.language in SHELL else block.code, block.language)


@pytest.mark.parametrize("block", [one for one in of(*PYTHON) if one.not_run or one.run_with], ids=ids)
def test_python_that_needs_more_is_python(block) -> None:
    compile(block.code, block.place, "exec")


@pytest.mark.parametrize("block", of(*NODE), ids=ids)
def test_node_reads_it(block, tmp_path) -> None:
    file = tmp_path / "block.mjs"
    file.write_text(block.code, "utf-8")
    program = shutil.which("node") or pytest.skip("node is not installed")
    checked = subprocess.run([program, "--check", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, f"{block.place}: {checked.stderr}"


@pytest.mark.parametrize("block", of("json"), ids=ids)
def test_json_is_json(block) -> None:
    json.loads(block.code)


@pytest.mark.parametrize("block", of("yaml"), ids=ids)
def test_yaml_is_yaml(block) -> None:
    assert yaml.safe_load(block.code)


@pytest.mark.parametrize("block", of("toml"), ids=ids)
def test_toml_is_settings(block) -> None:
    Settings.model_validate(tomllib.loads(block.code))


@pytest.mark.parametrize("block", of("nginx"), ids=ids)
def test_nginx_takes_it(block, tmp_path, installed) -> None:
    program = installed("nginx", package="nginx")
    file = tmp_path / "nginx.conf"
    logs = f"pid {tmp_path}/pid; error_log {tmp_path}/log;"
    file.write_text(f"{logs}\nevents {{}}\nhttp {{\n{block.code}\n}}\n")
    command = [program, "-t", "-e", str(tmp_path / "log"), "-p", str(tmp_path), "-c", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, f"{block.place}: {checked.stderr}"


@pytest.mark.parametrize("page", pages())
def test_commands_options_and_variables_in_the_prose_exist(page) -> None:
    unknown = []
    for code in PAGES["inline_code"](read(page)):
        unknown += [name for name in re.findall(r"\bRAG_[A-Z_]+[A-Z]\b", code) if not is_variable(name)]
        if re.match(r"rag [a-z]", code):
            unknown += [f"{code}: {word}"] if (word := unknown_in(code)) else []
    assert not unknown, f"{page}: {unknown}"


def is_variable(name: str) -> bool:
    return name in known_variables() or f"${{{name}" in COMPOSE


def unknown_in(code: str) -> str:
    """The first command or option in words such as `rag ingest --sample` that there is not; empty: there are all."""
    command, context = COMMAND, None
    for word in code.partition(" | ")[0].split()[1:]:
        if hasattr(command, "commands") and not word.startswith("-"):
            context = command.context_class(command, parent=context)
            try:
                command.parse_args(context, [word])  # which may put the name of a default command in front
                _, command, _ = command.resolve_command(context, [*context._protected_args, *context.args])
            except TyperException:
                return word
        elif word.startswith("--"):
            names = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
            if word.rstrip(".,;…").partition("=")[0] not in {*names, "--help"}:
                return word
    return ""


def test_extras_that_pages_install_are_ours() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for page in pages():
        for found in re.findall(r"prefixrag\[[a-z0-9,-]+\]", read(page)):
            assert Requirement(found).extras <= set(extras), f"{page}: {found}"


def test_what_is_not_run_is_listed(record_property, capsys) -> None:
    left = [
        (block.place, block.not_run or f"make test-clients: {block.run_with}")
        for block in BLOCKS
        if block.not_run or block.run_with
    ]
    checked = [
        (block.place, f"`{line}` {alone(line)}")
        for block in of(*SHELL)
        if not block.not_run
        for line in commands(block.code)
        if alone(line)
    ]
    record_property("not_run", len(left))
    with capsys.disabled():
        head = f"\n{len(BLOCKS)} blocks; {len(left)} are not run here, {len(checked)} commands by their words alone:"
        sys.stdout.writelines([f"{head}\n", *(f"  {place}: {why}\n" for place, why in left + checked)])
    assert len(left) < len([block for block in BLOCKS if block.language not in SHOWN]) / 2
