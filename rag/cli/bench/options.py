"""The options that several measurements have."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Option(envvar="RAG_BENCH_DATA", help="Folder that holds the sets.")]
Cache = Annotated[
    Path | None, typer.Option(help="Folder of vectors. [default: bench in the data directory]", show_default=False)
]
