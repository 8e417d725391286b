"""`rag search`: hits with scores, no chat model."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.options import AsJson, Collection, Config, DataDir, in_utf8, load_settings
from rag.cli.output import note, place, say, say_json

if TYPE_CHECKING:
    from rag.embed import Encoder
    from rag.settings import EmbeddingSettings, Settings
    from rag.store import CollectionInfo, Generation
    from rag.types import Hit

_BATCH = 256
_SNIPPET_CHARS = 240
Query = tuple[object, str]  # the caller's id, the text


def search(
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="What to look for.", show_default=False, callback=in_utf8)
    ] = None,
    *,
    collection: Collection = "default",
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many hits.")] = 8,
    queries: Annotated[
        typer.FileText | None,
        typer.Option(
            encoding="utf-8",
            help='Queries as JSON lines {"id", "query"}, `-` for standard input; prints a JSON line each.',
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Find the chunks that fit best, by meaning and by words, without a chat model.

    The score, at most 1, is made of the cosine similarity and of how well the words fit: docs/retrieval.md.
    """
    if (query is None) == (queries is None):
        raise typer.BadParameter("give either QUERY or --queries FILE")
    asked = [(None, query)] if query is not None else list(_parse(queries or ()))
    settings = load_settings(data_dir, config).settings
    from rag.store import Store

    store = Store(settings.data_dir)
    try:
        with store.pin(collection) as generation:
            for (number, text), hits in _search(asked, generation, settings, k):
                found = _found(generation, text, hits)
                if queries is not None:
                    say_json({"id": number, **found}, indent=None)
                elif as_json:
                    say_json(found)
                else:
                    _show(hits)
    finally:
        store.close()


def _parse(lines: Iterable[str]) -> Iterator[Query]:
    """The queries of JSON lines; empty lines are none.

    Raises:
        ConfigError: a line is something else.
    """
    from rag.errors import ConfigError

    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            each = json.loads(line)
            query = (each["id"], each["query"])
            query[1].encode()  # JSON can spell half a character, which no model takes
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigError(
                f'Line {number} of the queries is {line.strip()[:100]!r}. Write {{"id": "q1", "query": "text"}} there.'
            ) from None
        yield query


def _search(
    asked: Sequence[Query], generation: "Generation", settings: "Settings", k: int
) -> Iterator[tuple[Query, "tuple[Hit, ...]"]]:
    """Each query with its hits, as soon as its batch is done."""
    from rag.rooms import make_encoder

    info = generation.info
    if info.embedding.model != settings.embedding.model:  # told before seconds go into loading a model
        raise _other_model(info, settings.embedding)
    encoder = make_encoder(settings)
    if encoder.info.dimensions != info.embedding.dimensions:
        raise _other_model(info, settings.embedding)
    rest = iter(asked)
    while batch := list(islice(rest, _BATCH)):
        yield from zip(batch, _hits([text for _, text in batch], generation, encoder, settings, k), strict=True)


def _hits(
    texts: Sequence[str], generation: "Generation", encoder: "Encoder", settings: "Settings", k: int
) -> "list[tuple[Hit, ...]]":
    """The hits of each text, found on the way that the service's take."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from rag.embed import Batcher
    from rag.retrieve import Retriever
    from rag.rooms import make_reranker

    async def find() -> "list[tuple[Hit, ...]]":
        batcher = Batcher(encoder, max_queue=len(texts))
        try:
            with ThreadPoolExecutor(1) as executor:
                how = settings.retrieve
                retriever = Retriever(batcher, executor, mode=how.mode, reranker=reranker, min_score=how.min_score)
                # Each alone: together they would be a conversation.
                searches = [retriever.search([text], generation, top_k=k) for text in texts]
                return [hits for (hits,) in await asyncio.gather(*searches)]
        finally:
            await batcher.close()

    reranker = make_reranker(settings.retrieve)
    return asyncio.run(find())


def _found(generation: "Generation", query: str, hits: "Sequence[Hit]") -> dict[str, object]:
    rows = [
        {
            "rank": hit.rank,
            "score": hit.score,
            "chunk_id": hit.chunk.id,
            "document": hit.chunk.document,
            "title": hit.chunk.title,
            "anchor": hit.chunk.anchor.as_dict(),
            "source_start": hit.chunk.start,
            "source_end": hit.chunk.end,
            "text": hit.chunk.text,
        }
        for hit in hits
    ]
    return {"collection": generation.info.name, "generation": generation.number, "query": query, "hits": rows}


def _show(hits: "Sequence[Hit]") -> None:
    for hit in hits:
        text = " ".join(hit.chunk.text.split())
        say(f"{hit.rank:>3}. {hit.score:.3f}  {place(hit.chunk.document, hit.chunk.anchor.as_dict())}")
        say(f"     {text[:_SNIPPET_CHARS]}{'…' if len(text) > _SNIPPET_CHARS else ''}")
    if not hits:
        note("No hits.")


def _other_model(info: "CollectionInfo", embedding: "EmbeddingSettings") -> Exception:
    from rag.errors import CorpusError

    return CorpusError(
        f"Collection {info.name!r} was embedded with {info.embedding.model!r} ({info.embedding.dimensions} "
        f"dimensions), embedding.model is {embedding.model!r} now. "
        "Set it back, or delete the collection and ingest it again."
    )
