"""`rag bench citations`: how well citations are checked."""

import json
from pathlib import Path
from typing import Annotated

import typer

from rag.cli.bench.options import Cache
from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import note, say, say_json

EXAMPLE = "\b\nExample:\n  rag bench citations --data sets --out citations.json"


def citations(
    *,
    data: Annotated[Path, typer.Option(envvar="RAG_BENCH_DATA", help="Folder that holds the sets clapnq and xquad.")],
    cache: Cache = None,
    out: Annotated[Path | None, typer.Option(help="Write the JSON document to a file too.", show_default=False)] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Align answers whose sources are known: as they are, with one fact changed, and without their passage.

    Thresholds are chosen on one half of the questions; the tables are of the other, the curve is of the first.
    """
    from rag.bench.citations.report import bench_citations, lines
    from rag.bench.reuse.vectors import VectorFiles
    from rag.embed.encoder import SentenceEncoder
    from rag.models import embedding_source

    settings = load_settings(data_dir, config).settings
    if out and not out.parent.is_dir():
        raise typer.BadParameter(f"the folder {str(out.parent)!r} does not exist", param_hint="--out")
    embedding = settings.embedding
    encoder = SentenceEncoder(embedding, embedding_source(embedding.model))
    vectors = VectorFiles(cache or settings.data_dir / "bench", embedding, lambda: encoder)
    report = bench_citations(data, vectors, encoder, say=note)
    if out:
        out.write_text(json.dumps(report.as_dict(), ensure_ascii=False) + "\n", "utf-8")
    if as_json:
        say_json(report.as_dict(), indent=None)
        return
    for line in lines(report):
        say(line)
