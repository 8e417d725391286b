"""Which chunks of a generation a filter leaves."""

from collections.abc import Mapping

from rag.retrieve.filter import Attributes, Filter, Scalar, matches
from rag.store import Generation, Listed
from rag.types import FileId


def allowed_chunks(
    condition: Filter, generation: Generation, attributes: Mapping[FileId, Attributes]
) -> frozenset[int]:
    """The numbers of the chunks whose documents match.

    attributes: what clients gave to documents; it stands over what those say of themselves, name by name. Every
    document has `document`, its path, and `filename`, the last part of that, unless attributes are called so. Blocks.
    """
    return frozenset(
        seq
        for file_id, listed in generation.files().items()
        if matches(condition, _attributes(listed) | dict(attributes.get(file_id, {})))
        for seq in listed.seqs
    )


def _attributes(listed: Listed) -> dict[str, Scalar]:
    return {"document": listed.path, "filename": listed.name, **listed.attributes}
