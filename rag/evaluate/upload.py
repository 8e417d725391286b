"""A collection made of a folder's passages, through the files and vector stores of any running service."""

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import openai

from rag.errors import ConfigError, CorpusError
from rag.evaluate.questions import Passage

_BATCH = 100
_POLL_S = 0.5
_UNFIT = re.compile(r'[\x00-\x1f\x7f%/\\":*?<>|]')


def upload(
    client: openai.OpenAI,
    passages: Sequence[Passage],
    collection: str,
    *,
    n_at_once: int,
    told: Callable[[int], object],
) -> None:
    """Nothing; every passage is a document of the new collection, and can be searched.

    told: called with the number of passages that are in, beyond those of the last call.

    Raises:
        ConfigError: there is a collection of this name.
        CorpusError: the service could not index a passage.
        OpenAIError: it refuses, or cannot be reached.
    """
    if any(store.name == collection for store in client.vector_stores.list(limit=100)):
        raise ConfigError(
            f"There is a collection {collection!r} already. Leave --ingest out to use it as it is, name another by -c, "
            f"or delete it: rag collections delete {collection}."
        )
    store = client.vector_stores.create(name=collection)
    with ThreadPoolExecutor(n_at_once, thread_name_prefix="upload") as threads:
        for start in range(0, len(passages), _BATCH):
            some = passages[start : start + _BATCH]
            files = list(threads.map(lambda passage: _upload(client, passage), some))
            _attach(client, store.id, files)
            told(len(some))


def file_name(passage_id: str) -> str:
    """The document's name of a passage: its id with what no file can be called in percent signs."""
    return _UNFIT.sub(lambda found: quote(found[0], safe=""), passage_id) + ".md"


def _upload(client: openai.OpenAI, passage: Passage) -> str:
    text = f"# {passage.title}\n\n{passage.text}\n" if passage.title else f"{passage.text}\n"
    return client.files.create(file=(file_name(passage.id), text.encode()), purpose="assistants").id


def _attach(client: openai.OpenAI, store_id: str, files: Sequence[str]) -> None:
    batch = client.vector_stores.file_batches.create(store_id, file_ids=list(files))
    while batch.status == "in_progress":
        time.sleep(_POLL_S)
        batch = client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store_id)
    if batch.file_counts.completed < len(files):
        raise CorpusError(
            f"{len(files) - batch.file_counts.completed} of {len(files)} passages were not indexed. "
            f"The files of the vector store {store_id!r} say why; delete it and try again."
        )
