"""The options that several measurements have."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Option(envvar="RAG_BENCH_DATA", help="Folder that holds the sets.")]
Cache = Annotated[
    Path | None, typer.Option(help="Folder of vectors. [default: bench in the data directory]", show_default=False)
]


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """The numbers in `30000,200000`.

    Raises:
        BadParameter: there is something else in it.
    """
    numbers = [int(word) for word in text.split(",") if word.strip().isdigit()]
    if len(numbers) != len(text.split(",")) or not all(numbers):
        raise typer.BadParameter(f"{text!r} is not whole numbers above 0 joined by commas", param_hint=option)
    return tuple(numbers)
