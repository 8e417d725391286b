"""The tab key in each shell, set up as docs/terminal.md says, and pressed on a terminal."""

import os
import runpy
from pathlib import Path

import pytest

PAGES = runpy.run_path(str(Path(__file__).with_name("pages.py")))
PAGE = "docs/terminal.md"
SETS_UP = {block.language: block.code for block in PAGES["blocks_of"](PAGE, PAGES["read"](PAGE))}
TYPED = {
    "rag sta": "<rag><status>",
    "rag chat --coll": "<rag><chat><--collection>",
    "rag search x -c sec": "<rag><search><x><-c><secret>",
}
TO_START, TO_END = "\x01", "\x05"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_it_completes_commands_options_and_collections(
    shell, installed, open_terminal, programs, copy_data, tmp_path
) -> None:
    program = installed(shell, package=shell)
    if shell != "fish":
        assert f"# in ~/.{shell}rc" in SETS_UP[shell]
        before = "autoload -Uz compinit && compinit -u\n" if shell == "zsh" else ""  # "below compinit"
        (tmp_path / f".{shell}rc").write_text(before + SETS_UP[shell], "utf-8")
    (tmp_path / ".local/share/fish/generated_completions").mkdir(parents=True)  # fish would make them of all manuals
    own = {"HOME": str(tmp_path), "PATH": f"{programs}:{os.environ['PATH']}", "RAG_DATA_DIR": str(copy_data(tmp_path))}
    terminal = open_terminal("-i", program=program, **own, EDITOR="", VISUAL="")  # with vi, other keys
    if shell == "fish":
        terminal.type(f"{SETS_UP[shell].strip()}; printf '<%s>' written\r")
        terminal.wait_for("<written>")
    for typed, completed in TYPED.items():
        # The words that the line has then are printed, instead of run.
        terminal.type(f"{typed}\t{TO_START}printf '<%s>' {TO_END}\r")
        terminal.wait_for(completed)
    terminal.type("exit\r")
    assert terminal.end()[0] == 0
