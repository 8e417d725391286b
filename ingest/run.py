"""A plan carried out on a draft: read, chunk, embed, store."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ingest import chunk
from ingest.chunk import Chunker
from ingest.digests import Beside, attributes_beside, read_file
from ingest.plan import Plan
from ingest.progress import Progress
from ingest.readers import Extracted, ReadFailure
from ingest.scan import Found, Refused, reason_of
from ingest.stages import Stages
from ingest.worker.pool import Readers, Reading
from ingest.writer import Prepared, Writer
from rag.foreword import Forewords
from rag.store import Document, Draft, NewChunk

if TYPE_CHECKING:
    from rag.embed import Encoder  # the room loads torch, which an ingest with a given encoder need not

SPECIAL_TOKENS = 2  # what an encoder puts around a text


class Run:
    """Carries out a plan on a draft, and moves in the plan what turns out to be no document."""

    def __init__(
        self,
        draft: Draft,
        *,
        encoder: "Encoder",
        readers: Readers,
        chunker: Chunker,
        recipe: str,
        max_file_bytes: int,
        stages: Stages,
    ) -> None:
        """Read with `readers`, cut with `chunker`, whose recipe this is, and embed with `encoder`.

        stages: told how long each of that took.
        """
        self.n_embedded = 0
        self._draft = draft
        self._encoder = encoder
        self._readers = readers
        self._chunker = chunker
        self._forewords = Forewords(chunker.tokenizer, encoder.max_tokens - SPECIAL_TOKENS)
        self._recipe = recipe
        self._max_file_bytes = max_file_bytes
        self._stages = stages

    def apply(self, todo: Plan, progress: Progress) -> None:
        """Nothing; the draft is as planned.

        Workers read, this thread cuts and stores, and the encoder's threads embed, all at the same time.
        """
        for root, path in todo.removed:
            self._draft.remove(root, path)
        for old, found in todo.moved:
            self._draft.move(found.root, old, found.path)
        progress.stage("ingest", len(todo.new) + len(todo.changed))
        with Writer(self._draft, self._encoder, progress, self._stages) as writer:
            for found, future in self._readers.read_all((*todo.new, *todo.changed), self._load):
                reading = writer.meanwhile(future)
                try:
                    with self._stages.timed("chunk"):
                        file = self._read(found, reading, todo)
                except (ReadFailure, OSError) as error:
                    reason = reason_of(error) if isinstance(error, OSError) else str(error)
                    _fail(todo, found, [Refused(root=found.root, path=found.path, reason=reason)])
                    file = None
                if file:
                    writer.add(file)
                else:
                    progress.advance()
            writer.finish()
        self.n_embedded += writer.n_embedded

    def _load(self, found: Found) -> tuple[str, bytes]:
        return found.path, read_file(found.file, self._max_file_bytes)

    def _read(self, found: Found, reading: Reading | OSError, todo: Plan) -> Prepared | None:
        """The file's documents; None if it has none. What it is and holds that is no document is noted in `todo`."""
        if isinstance(reading, OSError):
            raise reading
        beside = attributes_beside(found)
        failed = list(_refused(found, ((part.name, part.failed) for part in reading.parts)))
        skipped = list(_refused(found, ((part.name, part.skipped) for part in reading.parts)))
        texts = [(part.name, part.extracted) for part in reading.parts if part.extracted]
        if texts:
            todo.failed.extend(failed)
            todo.skipped.extend(skipped)
            # What failed inside is tried again next time: no recipe is like "".
            recipe = "" if failed else self._recipe
            return Prepared(
                root=found.root,
                file=found.path,
                documents=tuple(self._document(found, reading, recipe, beside, *each) for each in texts),
                kept=frozenset(each.path for each in failed),
            )
        todo.skipped.extend(skipped)
        if failed:
            _fail(todo, found, failed)
            return None
        if found.path not in {each.path for each in skipped}:
            todo.skipped.append(Refused(root=found.root, path=found.path, reason="it holds no documents"))
        if _take_out(todo, found):
            self._draft.remove(found.root, found.path)
            todo.removed.append((found.root, found.path))
        return None

    def _document(
        self, found: Found, reading: Reading, recipe: str, beside: Beside, name: str, extracted: Extracted
    ) -> tuple[Document, tuple[NewChunk, ...]]:
        spans = self._chunker.chunk(extracted)
        anchors = chunk.anchors(extracted, spans)
        digest, attributes = beside
        title = str(attributes.get("title") or "") or extracted.title
        document = Document(
            root=found.root,
            path=_inside(found.path, name),
            inside=found.path if name else None,
            title=title,
            sha256=reading.sha256,
            size=reading.size,
            recipe=recipe,
            text=extracted.text,
            attributes={**extracted.attributes, **attributes},
            beside=digest,
        )
        forewords = (self._forewords.of(title, extracted.text[span.start : span.end]) for span in spans)
        return document, tuple(
            NewChunk(start=span.start, end=span.end, anchor=anchor, foreword=foreword)
            for span, anchor, foreword in zip(spans, anchors, forewords, strict=True)
        )


def _inside(path: str, name: str) -> str:
    return f"{path}/{name}" if name else path


def _refused(found: Found, reasons: Iterable[tuple[str, str | None]]) -> Iterator[Refused]:
    for name, reason in reasons:
        if reason:
            yield Refused(root=found.root, path=_inside(found.path, name), reason=reason)


def _fail(todo: Plan, found: Found, failed: Iterable[Refused]) -> None:
    """Nothing; noted. What was known of the file stays searchable: it may be half written just now."""
    todo.failed.extend(failed)
    _take_out(todo, found)


def _take_out(todo: Plan, found: Found) -> bool:
    """Whether the file was known; it is no longer counted as new or changed."""
    if found in todo.new:
        todo.new.remove(found)
        return False
    todo.changed.remove(found)
    return True
