"""`rag bench search`: how good each way to search is, and what it costs."""

from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.bench.options import Cache, Data
from rag.cli.options import AsJson, Config, DataDir, load_settings
from rag.cli.output import say, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rag.bench.search.run import Arm
    from rag.bench.search.size import SizeResult
    from rag.bench.search.words import WordsArm

EXAMPLE = (
    "\b\nExample:\n  rag bench search --data sets\n  rag bench search --data sets --chunks 100000\n"
    "  rag bench search --data sets --words"
)
_SETS = "squad,clapnq,wiki2hop,pubmedqa,mtrag,xquad-en,xquad-zh,xquad-ar,xquad-de"


def search(
    *,
    data: Data,
    sets: Annotated[str, typer.Option(help="Names joined by commas; -LANG is a part of a set.")] = _SETS,
    chunks: Annotated[
        int | None,
        typer.Option(
            min=1000,
            help="Time searches in a collection of so many chunks, made of the sets' sentences, instead.",
            show_default=False,
        ),
    ] = None,
    words: Annotated[
        bool, typer.Option("--words", help="Compare the two indexes of words instead; nothing is embedded.")
    ] = False,
    cache: Cache = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Compare search by meaning (dense), by words (lexical) and by both (hybrid).

    nDCG and recall are of the first ten hits, for all questions and for the half that nothing was tuned on.
    """
    from rag.bench.search.run import bench_search
    from rag.bench.search.size import bench_size
    from rag.bench.search.words import bench_words
    from rag.rooms import make_encoder

    names = sets.split(",")
    if words:
        kinds = bench_words(names, data=data, n_chunks=chunks)
        say_json({"arms": [arm.as_dict() for arm in kinds]}) if as_json else _show_words(kinds)
        return
    settings = load_settings(data_dir, config).settings
    folder = cache or settings.data_dir / "bench"
    folder.mkdir(parents=True, exist_ok=True)

    if chunks:
        size = bench_size(
            names, settings, n_chunks=chunks, data=data, cache=folder, load=lambda: make_encoder(settings)
        )
        say_json(size.as_dict()) if as_json else _show_size(size)
        return
    arms = bench_search(names, settings, data=data, cache=folder, load=lambda: make_encoder(settings))
    if as_json:
        say_json({"arms": [arm.as_dict() for arm in arms]})
    else:
        _show(arms)


def _show(arms: "Sequence[Arm]") -> None:
    say("                                     all questions      held out half")
    say("set       passages questions mode      nDCG  recall      nDCG  recall   p50 ms  p95 ms")
    for arm in arms:
        say(
            f"{arm.set_name:<9} {arm.n_passages:>8} {arm.n_questions:>9} {arm.mode:<8} "
            f"{arm.all.ndcg:>6.3f}  {arm.all.recall:>6.3f}    {arm.held_out.ndcg:>6.3f}  {arm.held_out.recall:>6.3f}   "
            f"{arm.p50_ms:>6.2f}  {arm.p95_ms:>6.2f}"
        )


def _show_size(size: "SizeResult") -> None:
    say(f"{size.n_chunks} chunks, {size.n_questions} questions")
    say(f"published in {size.publish_s:.1f} s, {size.words_s:.1f} s of that for words")
    say(f"words {size.words_mb:.0f} MB, catalog {size.catalog_mb:.0f} MB")
    for name, p50_ms in size.p50_ms.items():
        say(f"{name:<15} p50 {p50_ms:6.2f} ms   p95 {size.p95_ms[name]:6.2f} ms")


def _show_words(arms: "Sequence[WordsArm]") -> None:
    say("set         chunks questions index       nDCG  recall  write s      MB   p50 ms  p95 ms")
    for arm in arms:
        found = f"{arm.quality.ndcg:>6.3f}  {arm.quality.recall:>6.3f}" if arm.quality else f"{'-':>6}  {'-':>6}"
        say(
            f"{arm.set_name[:10]:<10} {arm.n_chunks:>7} {arm.n_questions:>9} {arm.kind:<9} {found}  "
            f"{arm.write_s:>7.1f} {arm.mb:>7.1f}   {arm.p50_ms:>6.2f}  {arm.p95_ms:>6.2f}"
        )
