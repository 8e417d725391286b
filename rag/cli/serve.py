"""`rag serve`: the service."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import say_json

if TYPE_CHECKING:
    from rag.settings import Settings


def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address. [default: 127.0.0.1]", show_default=False)] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one. [default: 8000]", show_default=False)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Chat model: a folder or a Hugging Face name. [default: the embedded SmolLM2-135M-Instruct, "
            "which is small and often wrong]",
            show_default=False,
        ),
    ] = None,
    engine_url: Annotated[
        list[str] | None,
        typer.Option(help="A running vLLM server to use instead of a local one; may be repeated.", show_default=False),
    ] = None,
    insecure_no_auth: Annotated[
        bool, typer.Option("--insecure-no-auth", help="Listen beyond loopback although no key has been made.")
    ] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Serve the OpenAI API over all collections.

    Starts vLLM, unless --engine-url is given, and runs until it is interrupted; then requests under way get
    server.drain_s. A SIGHUP makes it read models.aliases and its certificate again. Logs go to standard error. With
    --json the one document says, at the start, which process serves and which file will hold its address.
    """

    def read() -> "Settings":
        server = {"host": host, "port": port, "insecure_no_auth": insecure_no_auth or None}
        engine = {"model": model, "urls": tuple(engine_url) if engine_url else None}
        return load_settings(data_dir, config, server=server, engine=engine).settings

    settings = read()
    from ingest.uploads import UploadIndexer
    from rag import api
    from rag.settings import traces_endpoint
    from rag.telemetry import set_up_logs, tracing

    set_up_logs(settings.log)
    if as_json:
        say_json({"pid": os.getpid(), "service_file": str(settings.data_dir / "run" / "service.json")})
    with tracing(is_on=traces_endpoint() is not None):
        api.serve(settings, UploadIndexer(settings.ingest), read=read)
