"""The frozen topics of a collection, for one chat tokenizer: which chunks, in which order."""

import json
from collections.abc import Sequence
from pathlib import Path

from rag.errors import CorpusError
from rag.store.layout import write_durably
from rag.types import ChunkId

FrozenTopics = tuple[tuple[ChunkId, ...], ...]


class TopicFile:
    """`topics-<fingerprint>.json` in the folder of a collection. Replicas that share the folder share the topics."""

    def __init__(self, data_dir: Path, collection_id: str, fingerprint: str) -> None:
        """Name the file; nothing is read yet."""
        self._file = data_dir / "collections" / collection_id / f"topics-{fingerprint}.json"

    def read(self) -> FrozenTopics:
        """The topics last frozen; none if there never were any.

        Raises:
            CorpusError: the file is damaged.
        """
        try:
            topics = json.loads(self._file.read_text("utf-8"))["topics"]
            return tuple(tuple(map(ChunkId, topic)) for topic in topics)
        except FileNotFoundError:
            return ()
        except (ValueError, KeyError, TypeError, AttributeError):
            raise CorpusError(
                f"The frozen topics cannot be read: {str(self._file)!r}. Delete the file; they are made again."
            ) from None

    def write(self, topics: Sequence[Sequence[ChunkId]]) -> None:
        """Nothing; the file has these topics, unless the collection is gone."""
        if self._file.parent.is_dir():
            write_durably(self._file, json.dumps({"topics": [list(topic) for topic in topics]}) + "\n")
