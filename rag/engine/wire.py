"""vLLM's KV events as it sends them, turned into news for the plan room."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from rag.plan import Cleared, EngineHash, News, Removed, Stored

# The session that a request names which has reused blocks announced: their events carry it back, which tells an
# announcement from a new copy. Engines that do not know it leave it out.
REPORT_SESSION = "prefixrag-report"
_DEVICE = {None, "GPU"}  # blocks in an offload tier are no hits
_END = -1

_Token = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


class _Stored(msgspec.Struct, tag="BlockStored"):
    block_hashes: list[int | bytes]
    parent_block_hash: int | bytes | None
    token_ids: list[_Token]
    block_size: Annotated[int, msgspec.Meta(ge=1)]
    lora_id: int | None = None
    medium: str | None = None
    lora_name: str | None = None
    extra_keys: list[list[Any] | None] | None = None  # a LoRA's name, images and the salt, untagged
    group_idx: int | None = None
    session_id: str | None = None


class _Removed(msgspec.Struct, tag="BlockRemoved"):
    block_hashes: list[int | bytes]
    medium: str | None = None
    group_idx: int | None = None


class _Cleared(msgspec.Struct, tag="AllBlocksCleared"):
    pass


class _Payload(msgspec.Struct):
    ts: float
    events: list[Any]


# Some versions send a batch or an event as an array of its fields in this order, others as a map; each has some more.
_FIELDS: dict[object, tuple[str, ...]] = {
    kind.__struct_config__.tag: kind.__struct_fields__ for kind in (_Stored, _Removed, _Cleared)
}
_decoder = msgspec.msgpack.Decoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One message. seq: counts from 0 in the life of an engine. ts: seconds, on the engine's clock."""

    seq: int
    ts: float | None  # None: the content cannot be read
    news: tuple[News, ...] = ()


def read_batch(frames: list[bytes]) -> Batch | None:
    """The batch in a message of vLLM's, or None if it is none, as the end mark of a replay.

    The last two frames are a sequence number and its content; what stands before them differs by socket and version.
    """
    if len(frames) < 2 or len(frames[-2]) != 8:
        return None
    seq = int.from_bytes(frames[-2], "big", signed=True)
    if seq < 0:
        return None
    try:
        content = _decoder.decode(frames[-1])
        if isinstance(content, list):
            content = dict(zip(_Payload.__struct_fields__, content, strict=False))
        payload = msgspec.convert(content, _Payload)
        news = tuple(item for event in payload.events if (item := _news(event)) is not None)
    except (msgspec.DecodeError, TypeError, ValueError, RecursionError):
        return Batch(seq=seq, ts=None)
    return Batch(seq=seq, ts=payload.ts, news=news)


def is_end(frames: list[bytes]) -> bool:
    """Whether this message ends a replay."""
    return len(frames) >= 2 and frames[-2] == _END.to_bytes(8, "big", signed=True)


def _news(event: object) -> News | None:
    """What an event says of blocks that may be ours, or None."""
    if isinstance(event, list):
        kind, *values = event
        event = {"type": kind, **dict(zip(_FIELDS.get(kind, ()), values, strict=False))}
    if not isinstance(event, dict) or event.get("type") not in _FIELDS:
        return None  # of a kind that vLLM has added since
    read: _Stored | _Removed | _Cleared = msgspec.convert(event, _Stored | _Removed | _Cleared)
    if isinstance(read, _Cleared):
        return Cleared()
    # In a model with several kinds of attention each has its own blocks; the first kind stands for all.
    if read.medium not in _DEVICE or read.group_idx:
        return None
    return Removed(tuple(read.block_hashes)) if isinstance(read, _Removed) else _stored(read)


def _stored(event: _Stored) -> Stored | None:
    hashes: tuple[EngineHash, ...] = tuple(event.block_hashes)
    if not hashes or len(event.token_ids) != len(hashes) * event.block_size:
        return None  # some blocks of the run are not kept
    first, *others = event.extra_keys or [None]
    salts = first or []
    is_salted = len(salts) == 1 and isinstance(salts[0], str) and event.parent_block_hash is None
    if event.lora_id is not None or event.lora_name is not None or any(others) or (salts and not is_salted):
        return None  # with an adapter, image or embedding, which no prompt of ours has
    return Stored(
        hashes=hashes,
        parent=event.parent_block_hash,
        token_ids=event.token_ids,
        salt=salts[0] if is_salted else "",
        is_report=event.session_id == REPORT_SESSION,
    )
