"""What collections have in the engines' caches: their shared prefixes, and what fills the rest."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rag.engine import Slot
from rag.plan import Prefix
from rag.rooms import Rooms, cache_owner
from rag.store import Generation
from rag.tally import PrefixUse

_NAMED = 5  # documents of a prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """One shared prefix of a collection, and what became of it."""

    version: str
    n_documents: int
    names: tuple[str, ...]  # of its first documents
    n_chunks: int
    n_tokens: int
    use: PrefixUse | None  # None: no answer began with it since the service started, or not lately
    engines: tuple[int, ...]  # numbers, from 0, of those that hold it


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginnings:
    """The shared prefixes of a collection: those asked for most, and how many there are."""

    version: str
    n_documents: int
    n_tokens: int
    n_all: int
    listed: tuple[Beginning, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Tokens that one engine holds of one kind."""

    collection: str | None  # its id; None: what no collection has for itself
    name: str  # of the segment
    n_tokens: int


def beginnings(
    generation: Generation, uses: Mapping[str, PrefixUse], groups: Sequence[str], rooms: Rooms, *, limit: int
) -> Beginnings:
    """The prefixes of a generation, at most `limit`. Blocks.

    uses: by version. groups: for which it is looked whether engines hold them.
    """
    shared = rooms.fleet.first.prefixes.of(generation)
    listed = sorted(shared.prefixes, key=lambda prefix: (-_n_answers(prefix, uses), -prefix.n_tokens))[:limit]
    salts = [rooms.salts.salt(scope) for scope in {cache_owner(group, generation, rooms).scope for group in groups}]
    return Beginnings(
        version=shared.version,
        n_documents=shared.n_documents,
        n_tokens=shared.n_tokens,
        n_all=len(shared.prefixes),
        listed=tuple(_beginning(prefix, uses.get(prefix.version), salts, rooms) for prefix in listed),
    )


def parts(slot: Slot, *, scopes: Collection[str] | None, collections: Collection[str]) -> list[Part]:
    """What an engine holds, as far as its mirror knows, most first. To be called on the event loop.

    scopes: of the owners that are told of; None: of all. collections: ids of those that are told of.
    """
    if slot.info is None:
        return []
    tokens: dict[tuple[str | None, str], int] = {}
    for origin, n_blocks in slot.held.fill().items():
        owner = origin.owner
        if (scopes is None or owner.scope in scopes) and (not owner.collection or owner.collection in collections):
            key = (owner.collection or None, origin.part)
            tokens[key] = tokens.get(key, 0) + n_blocks * slot.info.block_size
    found = [Part(collection=collection, name=name, n_tokens=n) for (collection, name), n in tokens.items()]
    return sorted(found, key=lambda part: (-part.n_tokens, part.collection or "", part.name))


def _beginning(prefix: Prefix, use: PrefixUse | None, salts: Sequence[str], rooms: Rooms) -> Beginning:
    names = list(dict.fromkeys(chunk.document for chunk in prefix.chunks))
    model = rooms.fleet.first  # of whose tokens the prefixes are
    views = [slot.view() if slot in model.pool.slots else None for slot in rooms.fleet.slots]
    return Beginning(
        version=prefix.version,
        n_documents=len(names),
        names=tuple(names[:_NAMED]),
        n_chunks=len(prefix.passages),
        n_tokens=prefix.n_tokens,
        use=use,
        engines=tuple(
            number
            for number, view in enumerate(views)
            if view and any(model.planner.holds(prefix, view, salt=salt) for salt in salts)
        ),
    )


def _n_answers(prefix: Prefix, uses: Mapping[str, PrefixUse]) -> int:
    use = uses.get(prefix.version)
    return use.n_answers if use else 0
