"""A large collection put together from the sentences of small ones."""

import random
import re
from collections.abc import Sequence

from rag.bench.reuse.sets import QuestionSet
from rag.types import Anchor, Chunk, ChunkId

_SEED = 20261125
_WORDS = 110  # of a chunk at least


def made_up(sets: Sequence[QuestionSet], n: int) -> list[Chunk]:
    """`n` chunks of sentences that are real; the same ones for the same sets."""
    chance = random.Random(_SEED)  # noqa: S311 - no secret
    sentences = [s for each in sets for chunk in each.chunks for s in re.split(r"(?<=[.!?])\s+", chunk.text)]
    return [_chunk(seq, sentences, chance) for seq in range(n)]


def _chunk(seq: int, sentences: Sequence[str], chance: random.Random) -> Chunk:
    text = ""
    while text.count(" ") < _WORDS:
        text += chance.choice(sentences) + " "
    return Chunk(
        id=ChunkId(f"{seq}"), seq=seq, document="", title=f"{seq}", anchor=Anchor(), start=0, end=len(text), text=text
    )
