"""Every command of `rag`, with its name and an example. Nothing heavy is imported before a command runs."""

from typing import Annotated

import typer
from typer.completion import completion_init  # type: ignore[attr-defined]  # it is documented, and not listed

from rag import __version__
from rag.cli import (
    ask,
    bench,
    collections,
    completion,
    config,
    doctor,
    engines,
    ingest,
    keys,
    search,
    serve,
    status,
    warm,
)
from rag.cli import eval as evaluation
from rag.cli.chat import chat
from rag.cli.top import top

app = typer.Typer(
    name="rag",
    help="Answers from your documents, with checked citations and prompts that vLLM has already computed.",
    epilog="\b\nExample:\n  rag ingest docs\n  rag serve\n  rag ask 'How long do refunds take?'",
    add_completion=False,  # `rag completion` writes the script, and nothing into files of the shell
    context_settings={"max_content_width": 100},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text: the same in a pipe, a log and a terminal
)


completion_init()  # what the script asks back is answered before a command is looked for


def _print_version(given: bool) -> None:  # noqa: FBT001 - typer calls it
    if given:
        typer.echo(f"prefixrag {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command; without one, say what to do next."""
    del version
    if context.invoked_subcommand is None:
        from rag.cli.next_step import show_next_step

        show_next_step()


def _example(*lines: str) -> str:
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


app.command(
    "ingest", epilog=_example("rag ingest docs", "rag ingest manuals faq.md -c support", "rag ingest --sample")
)(ingest.ingest)
app.command("ask", epilog=_example("rag ask 'How long do refunds take?'"))(ask.ask)
app.command(
    "chat", epilog=_example("rag chat", "rag chat -c support", "rag chat --json < questions.txt > answers.jsonl")
)(chat)
app.command(
    "search", epilog=_example("rag search 'refund period' -k 3", "rag search --queries questions.jsonl > hits.jsonl")
)(search.search)
app.command(
    "serve",
    epilog=_example(
        "rag serve", "rag serve --model Qwen/Qwen3-0.6B --port 9000", "rag serve --engine-url http://10.0.0.5:8000"
    ),
)(serve.serve)
app.command("warm", epilog=_example("rag warm", "rag warm -c support"))(warm.warm)
app.add_typer(
    engines.app,
    name="engines",
    epilog=_example("rag engines", "rag engines add http://gpu-2:8000", "rag engines drain http://gpu-1:8000"),
)
app.add_typer(collections.app, name="collections", epilog=_example("rag collections", "rag collections show default"))
app.add_typer(
    keys.app, name="keys", epilog=_example("rag keys create --name 'support bot' --group support", "rag keys list")
)
app.command("status", epilog=_example("rag status", "rag status --json"))(status.status)
app.command("top", epilog=_example("rag top", "rag top --every 10 >> load.log", "rag top --json"))(top)
app.command("doctor", epilog=_example("rag doctor", "rag doctor --model Qwen/Qwen3-8B --gpu-memory 24"))(doctor.doctor)
app.command(
    "completion",
    epilog=_example("source <(rag completion bash)", "rag completion fish > ~/.config/fish/completions/rag.fish"),
)(completion.completion)
app.command("config", epilog=_example("rag config", "RAG_SERVER__PORT=9000 rag config --json"))(config.config)
app.add_typer(bench.app, name="bench", epilog=_example("rag bench load"))
app.add_typer(
    evaluation.app,
    name="eval",
    epilog=_example("rag eval questions -c default", "rag eval compare before.json after.json"),
)
