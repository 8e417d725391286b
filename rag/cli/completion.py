"""`rag completion`: the tab key in a shell."""

from enum import StrEnum
from typing import Annotated

import typer

from rag.cli.options import AsJson
from rag.cli.output import say, say_json


class Shell(StrEnum):
    """Shells that can be told."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(help="Your shell.", show_default=False)], *, as_json: AsJson = False
) -> None:
    """Print what makes the tab key complete commands, options and collections.

    bash: `source <(rag completion bash)` in ~/.bashrc. zsh: `source <(rag completion zsh)` in ~/.zshrc, below compinit.
    fish: write it to ~/.config/fish/completions/rag.fish.
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # as the one in app

    script = get_completion_script(prog_name="rag", complete_var="_RAG_COMPLETE", shell=shell.value)
    if as_json:
        say_json({"shell": shell.value, "script": script})
    else:
        say(script)
