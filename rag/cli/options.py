"""The options that every command has, and the settings that follow from them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rag.settings import Loaded  # pydantic takes a third of a second, which --help need not wait for

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder that holds all state. [default: data]", show_default=False)
]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file. [default: prefixrag.toml, if it exists]", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Url = Annotated[
    str | None,
    typer.Option(help="The service. [default: the one that runs on --data-dir]", show_default=False),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        help="Key of a remote service; RAG_API_KEY keeps it out of the list of processes. A local one needs none.",
        show_default=False,
    ),
]


def collection_names(context: typer.Context, incomplete: str) -> list[str]:
    """What the tab key offers: the names of this machine's collections. Nothing goes wrong loudly here."""
    from rag.errors import RagError

    given = context.params
    try:
        settings = load_settings(given.get("data_dir"), given.get("config")).settings
        from rag.store import Store

        store = Store(settings.data_dir)
        try:
            return [info.name for info in store.collections() if info.name.startswith(incomplete)]
        finally:
            store.close()
    except (RagError, OSError):
        return []


def in_utf8(text: str | None) -> str | None:
    """The text of an argument, as it came.

    Raises:
        BadParameter: its bytes are no UTF-8, so that no model and no JSON can take it.
    """
    try:
        (text or "").encode()
    except UnicodeEncodeError as error:
        raise typer.BadParameter(f"{text!r} is not UTF-8 from character {error.start} on") from None
    return text


Collection = Annotated[
    str,
    typer.Option(
        "-c",
        "--collection",
        help="Name or id of a collection.",
        show_default=True,
        autocompletion=collection_names,
    ),
]
ServedCollection = Annotated[  # where the service knows the default
    str | None,
    typer.Option(
        "-c",
        "--collection",
        help="Name or id of a collection. [default: default]",
        show_default=False,
        autocompletion=collection_names,
        callback=in_utf8,
    ),
]


def load_settings(data_dir: Path | None, config: Path | None, **sections: Mapping[str, object]) -> "Loaded":
    """Settings from all sources, with a command's options as the strongest.

    sections: what else the command line says, without the options (None) that were not given.

    Raises:
        ConfigError: a source is wrong.
    """
    from rag.settings import load

    tree: dict[str, object] = {
        section: {name: value for name, value in values.items() if value is not None}
        for section, values in sections.items()
    }
    if data_dir is not None:
        tree["data_dir"] = data_dir
    return load(tree, config=config)
