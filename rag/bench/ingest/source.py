"""What is ingested: folders as they are, or the passages of sets, a file for each."""

from collections.abc import Sequence
from pathlib import Path

from rag.bench.reuse.sets import read_set
from rag.errors import ConfigError

_IN_A_FOLDER = 1000


def write_passages(names: Sequence[str], data: Path, n: int, folder: Path) -> Path:
    """The folder, with the first `n` different passages of the sets below `data` as text files.

    Raises:
        ConfigError: a set is not there or cannot be read.
    """
    passages = dict.fromkeys(chunk.text for name in names for chunk in read_set(name, data).chunks)
    for number, text in enumerate(list(passages)[:n]):
        file = folder / f"{number // _IN_A_FOLDER:03}" / f"{number % _IN_A_FOLDER:03}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return folder


def existing(paths: Sequence[Path]) -> list[str]:
    """The paths, absolute.

    Raises:
        ConfigError: one does not exist.
    """
    for path in paths:
        if not path.exists():
            raise ConfigError(f"The path {str(path)!r} does not exist. Name a folder of documents, or sets by --data.")
    return [str(path.absolute()) for path in paths]
