"""A continued conversation, recognised by its own words: what its earlier turns showed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rag.plan import Dialogue, Plan, Prefix
from rag.prefixes import Prefixes
from rag.store import Generation, ShownTurn, TurnStore
from rag.types import Chunk


class History(StrEnum):
    """What is known of a conversation's earlier turns."""

    NONE = "none"  # there are none
    KEPT = "kept"  # all were answered here, and stand as they stood
    EDITED = "edited"  # the client changed them, or they were never answered here
    MOVED = "moved"  # the documents that they showed have changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """The leading turns that can be put back, and the prefix before them."""

    keys: tuple[bytes, ...]  # of all turns, the last one too
    history: History
    prefix: Prefix | None = None
    turns: tuple[tuple[Chunk, ...], ...] = ()


def turn_keys(dialogue: Dialogue, scope: str) -> tuple[bytes, ...]:
    """A key for each turn, of all that was said before it, what tools gave, and its question. None can be read back.

    scope: conversations of different scopes never meet. The application's system message is left out: some
    clients put a clock into it.
    """
    state = hashlib.blake2b(scope.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    keys = []
    for turn in dialogue.turns:
        if turn.results:
            state = _step(state, turn.results)
        state = _step(state, turn.question)
        keys.append(state)
        state = _step(state, turn.answer or "")
    return tuple(keys)


def recall(keys: tuple[bytes, ...], store: TurnStore, generation: Generation, prefixes: Prefixes) -> Recalled:
    """What the turns before the last one showed, as far as it is known and still there. Blocks.

    keys: of all turns of a conversation.
    """
    if len(keys) == 1:
        return Recalled(keys=keys, history=History.NONE)
    known = store.get(keys[:-1])
    if known[0] is None:
        return Recalled(keys=keys, history=History.EDITED)
    first = known[0]
    prefix = _prefix(first.prefix, store, generation, prefixes)
    if first.prefix and prefix is None:
        return Recalled(keys=keys, history=History.MOVED)
    turns: list[tuple[Chunk, ...]] = []
    for turn in known:
        if turn is None or turn.prefix != first.prefix:
            return Recalled(keys=keys, history=History.EDITED, prefix=prefix, turns=tuple(turns))
        chunks = [generation.chunk(chunk_id) for chunk_id in turn.chunks]
        there = tuple(chunk for chunk in chunks if chunk)
        if len(there) < len(chunks):
            return Recalled(keys=keys, history=History.MOVED, prefix=prefix, turns=tuple(turns))
        turns.append(there)
    return Recalled(keys=keys, history=History.KEPT, prefix=prefix, turns=tuple(turns))


def remember(keys: Sequence[bytes], plan: Plan, prefix: Prefix | None, n_known: int, store: TurnStore) -> None:
    """Nothing; the turns of `plan` from number `n_known` on can be recalled. Blocks."""
    version = prefix.version if prefix and plan.shared else None
    prefix_chunks = [chunk.id for chunk in plan.shared]
    for key, turn in list(zip(keys, plan.turns, strict=True))[n_known:]:
        store.put(key, ShownTurn(version, tuple(chunk.id for chunk in turn.chunks)), prefix_chunks)


def _prefix(version: str | None, store: TurnStore, generation: Generation, prefixes: Prefixes) -> Prefix | None:
    if version is None:
        return None
    current = prefixes.of(generation).find(version)
    if current:
        return current
    chunks = [generation.chunk(chunk_id) for chunk_id in store.prefix(version) or ()]
    there = [chunk for chunk in chunks if chunk]
    if not chunks or len(there) < len(chunks):
        return None
    prefix = prefixes.prefix(there)
    return prefix if prefix.version == version else None


def _step(state: bytes, text: str) -> bytes:
    return hashlib.blake2b(state + text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
