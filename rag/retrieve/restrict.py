"""Which chunks of a generation a filter leaves."""

from collections.abc import Mapping

from rag.retrieve.filter import Attributes, Filter, matches
from rag.store import Generation
from rag.types import FileId


def allowed_chunks(
    condition: Filter, generation: Generation, attributes: Mapping[FileId, Attributes]
) -> frozenset[int]:
    """The numbers of the chunks whose documents match.

    attributes: of those documents that have some. Every document has `document`, its path, and `filename`, the last
    part of that, unless attributes of its own are called so. Blocks.
    """
    return frozenset(
        seq
        for file_id, listed in generation.files().items()
        if matches(condition, {"document": listed.path, "filename": listed.name} | dict(attributes.get(file_id, {})))
        for seq in listed.seqs
    )
