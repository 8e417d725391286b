"""Files in, a new generation out: scan, plan, read, chunk, embed, store, publish."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ingest import chunk
from ingest.chunk import Chunker
from ingest.digests import Digests
from ingest.engine import Engine, LocalEngine
from ingest.failures import failing
from ingest.ignore import make_ignores
from ingest.plan import Plan, plan
from ingest.progress import Progress, Silent
from ingest.run import SPECIAL_TOKENS, Run
from ingest.scan import Refused, Scan, scan
from ingest.stages import Stage, Stages
from rag.errors import ConfigError, NotFound
from rag.settings import IngestSettings
from rag.store import Draft, EmbeddingInfo, Known, Rules, SeenFiles, Store

if TYPE_CHECKING:
    from rag.embed import Encoder  # the room loads torch, which an ingest with a given encoder need not


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What an ingest did; after a dry run, what it would do."""

    collection: str
    generation: int  # 0: nothing was ever published
    new: int
    changed: int
    moved: int
    unchanged: int
    removed: int
    skipped: tuple[Refused, ...]
    failed: tuple[Refused, ...]
    chunks: int  # of the whole collection
    embedded: int  # chunks that the model was asked for
    seconds: float
    stages: Mapping[Stage, float]  # seconds by stage, see `Stages`

    def as_dict(self) -> dict[str, object]:
        """The summary as it stands in JSON; how long each stage took is for `rag bench ingest`."""
        counts = {name: value for name, value in asdict(self).items() if name != "stages"}
        skipped = [{"path": each.path, "reason": each.reason} for each in self.skipped]
        failed = [{"path": each.path, "error": each.reason} for each in self.failed]
        return {**counts, "skipped": skipped, "failed": failed}


def ingest(
    paths: Sequence[Path | str],
    *,
    collection: str,
    store: Store,
    encoder: "Encoder",
    settings: IngestSettings,
    group: str | None = None,
    rules: Rules | None = None,
    prune: bool = True,
    dry_run: bool = False,
    check: bool = False,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> Summary:
    """The summary. What is in `paths`, folders, files and URLs, can then be searched, all of it at once or none.

    group: the access group whose collection it is, and to which a new one belongs; None: any, new ones are the
    default group's. rules: what the collection is to hold from now on; None: what it held. prune: documents that
    vanished below `paths` are removed. dry_run: nothing is written. check: files are read even if size and times say
    that they have not changed. engine: where files are read and texts embedded; None: here.

    Raises:
        ConfigError: a path does not exist or holds no file, a pattern is none, or the collection cannot have this name.
        CorpusError: another ingest runs, another model made the collection, or the disk is full.
    """
    began = time.monotonic()
    progress = progress or Silent()
    engine = engine or LocalEngine()
    stages = Stages()
    rules = rules or store.rules(collection, group)
    with stages.timed("plan"):
        found = _scan(paths, rules, settings, store)
    with stages.timed("load"):
        max_tokens = min(rules.chunk_tokens or settings.chunk_tokens, encoder.max_tokens - SPECIAL_TOKENS)
    recipe = chunk.recipe(max_tokens)

    def planned(known: Callable[[str], dict[str, Known]], seen: SeenFiles) -> Plan:
        _refuse_nothing(paths, found, known)
        digests = Digests(seen, max_file_bytes=settings.max_file_bytes, check=check)
        with stages.timed("plan"):
            return plan(found, known, recipe=recipe, digests=digests, prune=prune, progress=progress)

    if dry_run:
        with _readable(store, collection, group) as (known, seen, generation, n_chunks):
            todo = planned(known, seen)
            summary = _summary(collection, todo, generation=generation, chunks=n_chunks, embedded=0)
    else:
        info = encoder.info
        embedding = EmbeddingInfo(model=info.model, dimensions=info.dimensions, dtype=info.dtype)
        with store.draft(collection, embedding, group) as draft:
            seen = store.seen(draft.collection_id)
            todo = planned(draft.known, seen)
            _remember(found, seen)
            draft.set_rules(rules)
            n_embedded = (
                0 if todo.is_idle else _apply(todo, draft, encoder, settings, max_tokens, progress, stages, engine)
            )
            draft.set_failures(failing(draft.failures(), found, todo))
            n_chunks = draft.counts[1]
            with stages.timed("publish"):
                generation = draft.publish()
            summary = _summary(collection, todo, generation=generation, chunks=n_chunks, embedded=n_embedded)
    return replace(summary, seconds=round(time.monotonic() - began, 3), stages=stages.seconds)


def _scan(paths: Sequence[Path | str], rules: Rules, settings: IngestSettings, store: Store) -> Scan:
    try:
        ignores = make_ignores(rules.include, rules.exclude)
    except ValueError as error:
        raise ConfigError(f"A pattern of --include or --exclude cannot be understood: {error}. Correct it.") from None
    return scan(
        paths,
        max_file_bytes=settings.max_file_bytes,
        ignores=ignores,
        data_dir=store.data_dir,
        reads_images=bool(settings.converter),
    )


def _remember(found: Scan, seen: SeenFiles) -> None:
    """Nothing; the next run knows which files were read. Should the disk be full, it reads them again."""
    there: dict[str, set[str]] = {root: set() for root, below in found.seen if not below}
    for each in found.found:
        if each.root in there:
            there[each.root] |= {each.path} | ({each.beside.path} if each.beside else set())
    for root, paths in there.items():
        seen.keep_only(root, paths)
    with suppress(OSError):
        seen.save()


def _apply(
    todo: Plan,
    draft: Draft,
    encoder: "Encoder",
    settings: IngestSettings,
    max_tokens: int,
    progress: Progress,
    stages: Stages,
    engine: Engine,
) -> int:
    """How many chunks the model was asked for; the draft is as planned."""
    chunker = Chunker(encoder.tokenizer, max_tokens)
    engine = engine if todo.new or todo.changed else LocalEngine()  # which starts nothing before the first file
    with engine.working(encoder, settings) as (readers, embedding):
        run = Run(
            draft,
            encoder=embedding,
            readers=readers,
            chunker=chunker,
            recipe=chunk.recipe(max_tokens),
            max_file_bytes=settings.max_file_bytes,
            stages=stages,
        )
        run.apply(todo, progress)
    return run.n_embedded


def _refuse_nothing(paths: Sequence[Path | str], found: Scan, known: Callable[[str], dict[str, Known]]) -> None:
    if found.found or found.skipped or found.failed or any(known(root) for root in found.roots):
        return
    named = ", ".join(repr(str(path)) for path in paths)
    raise ConfigError(
        f"{named} holds no documents. Name a folder with text, Markdown, PDF, office, mail or source files."
    )


@contextmanager
def _readable(
    store: Store, collection: str, group: str | None
) -> Iterator[tuple[Callable[[str], dict[str, Known]], SeenFiles, int, int]]:
    """Known documents and files, generation and number of chunks; of a collection that is not there, nothing."""
    try:
        pinned = store.pin(collection, group)
        with pinned as generation:
            info = generation.info
            yield generation.known, store.seen(info.id), generation.number, info.chunks
    except NotFound:
        yield lambda _: {}, SeenFiles(None), 0, 0


def _summary(collection: str, done: Plan, *, generation: int, chunks: int, embedded: int) -> Summary:
    return Summary(
        collection=collection,
        generation=generation,
        new=len(done.new),
        changed=len(done.changed),
        moved=len(done.moved),
        unchanged=len(done.unchanged),
        removed=len(done.removed),
        skipped=tuple(done.skipped),
        failed=tuple(done.failed),
        chunks=chunks,
        embedded=embedded,
        seconds=0.0,
        stages={},
    )
