"""`rag doctor`: what is wrong, and the command that mends it; and what would fit on a GPU."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.capacity import show_capacity
from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import say_json, say_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rag.cli.checks import Check

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    *,
    model: Annotated[
        str | None, typer.Option(help="Work out what of this model fits on GPUs, instead.", show_default=False)
    ] = None,
    gpu_memory: Annotated[
        float | None, typer.Option(min=1, help="Memory of one GPU in GiB, with --model.", show_default=False)
    ] = None,
    document_tokens: Annotated[int, typer.Option(min=1, help="Tokens of a document, with --model.")] = 1000,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Find what is broken and how to mend it.

    Looks at this machine, the configuration, the data and the service. Exit code 1: something is broken. With --model
    and --gpu-memory it works out what fits instead: weights, keys and values, documents and users.
    """
    if (model is None) != (gpu_memory is None):
        raise typer.BadParameter("--model and --gpu-memory go together: what is to fit, and where")
    if model is not None and gpu_memory is not None:
        settings = load_settings(data_dir, config, engine={"model": model}).settings
        show_capacity(model, settings, gpu_memory_gib=gpu_memory, document_tokens=document_tokens, as_json=as_json)
        return
    checks = []
    for check in _checks(data_dir, config):
        checks.append(check)
        if not as_json:
            say_parts((f"{check.status:<5}", _STYLES[check.status]), (f" {check.name}: {check.detail}", ""))
            if check.cure:
                say_parts(("      -> ", "dim"), (check.cure, "bold"))
    if as_json:
        say_json({"checks": [asdict(check) for check in checks]})
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(1)


def _checks(data_dir: DataDir, config: Config) -> "Iterator[Check]":
    from rag.cli.checks import Check, data, machine, service
    from rag.errors import ConfigError

    yield from machine()
    try:
        settings = load_settings(data_dir, config).settings
    except ConfigError as error:  # without settings there is nothing more to look at
        yield Check("configuration", "fail", str(error), "rag config")
        return
    yield Check("configuration", "ok", "every source is valid")
    yield from data(settings)
    yield from service(settings)
