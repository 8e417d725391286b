"""Uploaded files into a draft: the way of `rag ingest`, with an outcome for each file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, islice

from ingest.chunk import Chunker, recipe
from ingest.digests import Digests
from ingest.plan import Plan, plan
from ingest.progress import Silent
from ingest.run import SPECIAL_TOKENS, Run
from ingest.scan import scan_files
from ingest.stages import Stages
from ingest.worker.pool import Readers
from rag.embed import Encoder
from rag.indexing import Indexed, Job
from rag.settings import IngestSettings
from rag.store import Cut, Draft, FileError, SeenFiles
from rag.types import FileId

_AT_ONCE = 32  # files between two looks at whether they are still wanted


class UploadIndexer:
    """The `rag.indexing.Indexer` of a service. One thread at a time may call."""

    def __init__(self, settings: IngestSettings) -> None:
        """Read within these limits."""
        self._settings = settings
        self._chunkers: dict[Cut, Chunker] = {}

    def cut(self, encoder: Encoder, wanted: Cut | None) -> Cut:
        """How files are cut that ask for `wanted`: within what the encoder reads. None: the settings' way."""
        limit = encoder.max_tokens - SPECIAL_TOKENS
        if wanted is None:
            return Cut(chunk_tokens=min(self._settings.chunk_tokens, limit))
        chunk_tokens = min(wanted.chunk_tokens, limit)
        return Cut(chunk_tokens=chunk_tokens, overlap_tokens=min(wanted.overlap_tokens, chunk_tokens // 2))

    def index(
        self, draft: Draft, jobs: Sequence[Job], encoder: Encoder, *, is_wanted: Callable[[FileId], bool]
    ) -> Indexed:
        """What came of the files that were still wanted."""
        outcomes: dict[FileId, FileError | None] = {}
        stages, n_embedded = Stages(), 0
        with Readers(self._settings.model_copy(update={"max_members": 0})) as readers:  # one file, one document
            for cut, alike in groupby(sorted(jobs, key=_way), key=lambda job: job.cut):
                run = Run(
                    draft,
                    encoder=encoder,
                    readers=readers,
                    chunker=self._chunker(encoder, cut),
                    recipe=_recipe(cut),
                    max_file_bytes=self._settings.max_file_bytes,
                    stages=stages,
                )
                for some in _batches(alike):
                    wanted = [job for job in some if is_wanted(job.file_id)]
                    outcomes |= self._apply(wanted, run, draft, cut)
                n_embedded += run.n_embedded
        seconds = {str(stage): seconds for stage, seconds in stages.seconds.items()}
        return Indexed(outcomes=outcomes, n_embedded=n_embedded, seconds=seconds)

    def _apply(self, jobs: Sequence[Job], run: Run, draft: Draft, cut: Cut) -> Mapping[FileId, FileError | None]:
        limit = self._settings.max_file_bytes
        files = [(job.file_id, job.filename, job.file) for job in jobs]
        scan = scan_files(files, max_file_bytes=limit, reads_images=bool(self._settings.converter))
        digests = Digests(SeenFiles(None), max_file_bytes=limit)
        todo = plan(scan, draft.known, recipe=_recipe(cut), digests=digests, prune=False, progress=Silent())
        run.apply(todo, Silent())
        return {job.file_id: None for job in jobs} | _errors(todo, jobs)

    def _chunker(self, encoder: Encoder, cut: Cut) -> Chunker:
        if cut not in self._chunkers:
            self._chunkers = {cut: Chunker(encoder.tokenizer, cut.chunk_tokens, cut.overlap_tokens)}
        return self._chunkers[cut]


def _errors(done: Plan, jobs: Sequence[Job]) -> dict[FileId, FileError | None]:
    by_id = {job.file_id: job for job in jobs}
    errors: dict[FileId, FileError | None] = {}
    for each in done.skipped:
        code = "invalid_file" if each.reason.startswith("empty") else "unsupported_file"
        errors[FileId(each.root)] = FileError(code=code, message=f"The file could not be indexed: {each.reason}.")
    for each in done.failed:
        code = "invalid_file" if by_id[FileId(each.root)].file.is_file() else "server_error"
        errors[FileId(each.root)] = FileError(code=code, message=f"The file could not be read: {each.reason}.")
    return errors


def _batches(jobs: Iterator[Job]) -> Iterator[list[Job]]:
    while some := list(islice(jobs, _AT_ONCE)):
        yield some


def _recipe(cut: Cut) -> str:
    return recipe(cut.chunk_tokens, cut.overlap_tokens)


def _way(job: Job) -> tuple[int, int]:
    return job.cut.chunk_tokens, job.cut.overlap_tokens
