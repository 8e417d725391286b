"""`rag bench`: measurements that anyone can repeat."""

import typer

from rag.cli.bench import citations, embeddings, ingest, load, no_answer, planner, reuse, routing, search, sizes

app = typer.Typer(no_args_is_help=True, help="Measure this installation.", rich_markup_mode=None)

app.command("planner", epilog=planner.EXAMPLE)(planner.planner)
app.command("load", epilog=load.EXAMPLE)(load.load)
app.command("embeddings", epilog=embeddings.EXAMPLE)(embeddings.embeddings)
app.command("citations", epilog=citations.EXAMPLE)(citations.citations)
app.command("no-answer", epilog=no_answer.EXAMPLE)(no_answer.no_answer)
app.command("search", epilog=search.EXAMPLE)(search.search)
app.command("ingest", epilog=ingest.EXAMPLE)(ingest.ingest)
app.command("sizes", epilog=sizes.EXAMPLE)(sizes.sizes)
app.command("reuse", epilog=reuse.EXAMPLE)(reuse.reuse)
app.command("routing", epilog=routing.EXAMPLE)(routing.routing)
