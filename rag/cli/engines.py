"""`rag engines`: the engines of the running service, and how they come and go."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag.cli.operating import get, post
from rag.cli.options import ApiKey, AsJson, Config, DataDir, Url, load_settings
from rag.cli.output import note, say, say_json, say_table

if TYPE_CHECKING:
    from pathlib import Path

    from rag.cli.running import Target

_COLUMNS = ("name", "url", "model", "state", "running", "window_tokens", "block_size", "kv_tokens", "reuse")
_EXAMPLE = "\b\nExample:\n"

app = typer.Typer(help="List, add, drain and remove engines of the running service.", rich_markup_mode=None)

Engine = Annotated[str, typer.Argument(metavar="ENGINE", help="URL or name, as `rag engines` shows it.")]
Wait = Annotated[
    float | None,
    typer.Option(
        "--wait",
        min=0,
        help="Seconds to wait for its requests. [default: server.request_timeout_s]",
        show_default=False,
    ),
]


@app.callback(invoke_without_command=True, epilog=_EXAMPLE + "  rag engines\n  rag engines add http://gpu-2:8000")
def engines(
    context: typer.Context,
    *,
    url: Url = None,
    api_key: ApiKey = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List, add, drain and remove engines of the running service.

    Without a command: list them. What is added or removed stays so until the service restarts, which starts with
    engine.urls and engine.count again.
    """
    if context.invoked_subcommand is None:
        list_engines(url=url, api_key=api_key, data_dir=data_dir, config=config, as_json=as_json)
    elif url or api_key or data_dir or config or as_json:
        raise typer.BadParameter(f"write the options behind `{context.invoked_subcommand}`")


@app.command("list", epilog=_EXAMPLE + "  rag engines list --json")
def list_engines(
    *,
    url: Url = None,
    api_key: ApiKey = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List the engines, with the model and state of each."""
    answer = get(_service(url, api_key, data_dir, config), "/engines")
    if as_json:
        say_json(answer)
        return
    found = answer.get("engines", ())
    say_table(_COLUMNS, [[each.get(column) for column in _COLUMNS] for each in found])
    for each in found:
        if each.get("reason"):
            say(f"{each['url']} is {each['state']}: {each['reason']}")


@app.command(
    epilog=_EXAMPLE
    + "  rag engines add http://gpu-2:8000 --kv-events tcp://gpu-2:5557 --kv-replay tcp://gpu-2:5558\n"
    + "  rag engines add --model Qwen/Qwen3-8B --device 1"
)
def add(
    engine: Annotated[
        str | None, typer.Argument(metavar="URL", help="A running vLLM server.", show_default=False)
    ] = None,
    *,
    kv_events: Annotated[
        str | None, typer.Option(help="ZMQ address of its KV events. Unset: what it holds is guessed.")
    ] = None,
    kv_replay: Annotated[str | None, typer.Option(help="ZMQ address where it repeats missed ones.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Start a local engine for this model: a folder or a Hugging Face name.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="What that one runs on: GPUs, or cores of the CPU build, as engine.devices.")
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Add an engine, or give one that was drained its requests back.

    It is asked what it serves, has to compute a prompt, and computes the shared prefixes that it should hold; only then
    it gets requests, and this command ends. One of another model stands beside the others, under its own name. An
    engine that fails any of this is not added.
    """
    body = {"url": engine, "kv_events": kv_events, "kv_replay": kv_replay, "model": model, "device": device}
    added = post(_service(url, api_key, data_dir, config), "/engines/add", body)
    if as_json:
        say_json(added)
        return
    say(_described(added))
    setting = "engine.urls" if added.get("pid") is None else "engine.model and engine.count"
    note(f"note: it is gone when the service restarts, unless {setting} name it.")


@app.command(epilog=_EXAMPLE + "  rag engines drain http://gpu-1:8000 --wait 60")
def drain(
    engine: Engine,
    *,
    wait: Wait = None,
    force: Annotated[bool, typer.Option("--force", help="Also where no other engine is ready.")] = False,
    url: Url = None,
    api_key: ApiKey = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Send an engine nothing new, and wait until it has ended what it has.

    It stays known: `rag engines add URL` gives it requests again, `rag engines remove` forgets it.
    """
    body = {"engine": engine, "wait_s": wait, "force": force}
    _done(post(_service(url, api_key, data_dir, config), "/engines/drain", body), as_json=as_json)


@app.command(epilog=_EXAMPLE + "  rag engines remove http://gpu-1:8000")
def remove(
    engine: Engine,
    *,
    wait: Wait = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Break its requests off, and do so even where no other engine is ready."),
    ] = False,
    url: Url = None,
    api_key: ApiKey = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Drain an engine and forget it. One that the service started is ended, any other goes on without us."""
    body = {"engine": engine, "wait_s": wait, "force": force}
    _done(post(_service(url, api_key, data_dir, config), "/engines/remove", body), as_json=as_json)


def _service(url: str | None, api_key: str | None, data_dir: "Path | None", config: "Path | None") -> "Target":
    from rag.cli.running import target

    return target(load_settings(data_dir, config).settings, url=url, api_key=api_key)


# Any: JSON of the service.
def _done(engine: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(engine)
    else:
        say(f"{engine.get('url')} is {engine.get('state')}")


def _described(engine: Mapping[str, Any]) -> str:
    tokens = "tokens alone" if engine.get("gives_tokens") else "text"
    return (
        f"{engine.get('url')} is {engine.get('state')}: {engine.get('model')}, window of {engine.get('window_tokens')} "
        f"tokens, blocks of {engine.get('block_size')}, cache of {engine.get('kv_tokens') or '?'}, "
        f"gives {tokens}, reuse {engine.get('reuse')}"
    )
