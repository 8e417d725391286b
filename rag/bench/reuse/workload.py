"""A workload: which questions arrive in which order, with what retrieval found for them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from rag.bench.reuse.sets import Question, QuestionSet
from rag.bench.reuse.vectors import VectorFiles, nearest
from rag.embed.base import Vectors
from rag.errors import ConfigError
from rag.plan import Dialogue, Turn
from rag.types import Anchor, Chunk, ChunkId, Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One arrival. `hits` has an entry for each turn, `gold` the seq of each passage that answers the last one."""

    dialogue: Dialogue
    hits: tuple[tuple[Hit, ...], ...]
    gold: frozenset[int]
    group: int = 0  # who may share keys and values with whom
    after: int | None = None  # index of the request that must have its answer before this one can be asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Requests in order of arrival, over one corpus with a row of `vectors` for each chunk."""

    name: str
    chunks: tuple[Chunk, ...]
    vectors: Vectors
    requests: tuple[Request, ...]


def make_workload(
    questions: QuestionSet, files: VectorFiles, *, order: str, n_requests: int, top_k: int, n_groups: int, seed: int
) -> Workload:
    """`n_requests` arrivals of a set's questions; equal arguments give equal workloads.

    order: `once` (each question once, shuffled; turns of a conversation stay in order), `zipf:S` (questions are
    drawn with the rank to the power of -S as their weight), or `none` (no two requests share a passage).

    Raises:
        ConfigError: another order, or more requests than questions where each comes once.
    """
    chance = random.Random(seed)  # noqa: S311  # no secret
    if order == "none":
        return _grouped(_disjoint(questions, n_requests, top_k, chance), n_groups, chance)
    drawn = _drawn(questions.questions, order, n_requests, chance)
    texts = sorted({turn.question for question in drawn for turn in question.dialogue.turns})
    vectors = files.documents(questions.chunks)
    hits = dict(zip(texts, nearest(files.queries(texts), vectors, questions.chunks, top_k=top_k), strict=True))
    requests, last = [], dict[str, int]()
    for index, question in enumerate(drawn):
        found = tuple(hits[turn.question] for turn in question.dialogue.turns)
        talk = question.conversation
        after = last.get(talk) if talk else None
        requests.append(Request(dialogue=question.dialogue, hits=found, gold=question.gold, after=after))
        if talk:
            last[talk] = index
    workload = Workload(name=questions.name, chunks=questions.chunks, vectors=vectors, requests=tuple(requests))
    return _grouped(workload, n_groups, chance)


def _drawn(questions: Sequence[Question], order: str, n_requests: int, chance: random.Random) -> list[Question]:
    name, _, exponent = order.partition(":")
    if name == "zipf":
        try:
            weights = [rank ** -float(exponent) for rank in range(1, len(questions) + 1)]
        except ValueError:
            raise ConfigError(f"The order {order!r} has no exponent. Write one such as zipf:0.8.") from None
        if any(question.conversation for question in questions):
            raise ConfigError("The turns of a conversation come once, in their order. Use --order once with this set.")
        shuffled = chance.sample(questions, len(questions))
        return chance.choices(shuffled, cum_weights=list(accumulate(weights)), k=n_requests)
    if order != "once":
        raise ConfigError(f"The order {order!r} is none. Use once, zipf:0.8 (any exponent) or none.")
    if n_requests > len(questions):
        raise ConfigError(f"{n_requests} requests are more than the {len(questions)} questions. Lower --n or use zipf.")
    return _shuffled(questions, chance)[:n_requests]


def _shuffled(questions: Sequence[Question], chance: random.Random) -> list[Question]:
    """The questions by chance; conversations are mixed with each other, the turns of each stay in order."""
    talks: dict[str | int, list[Question]] = {}
    for index, question in enumerate(questions):
        talks.setdefault(question.conversation or index, []).append(question)
    slots = [name for name, turns in talks.items() for _ in turns]
    chance.shuffle(slots)
    waiting = {name: iter(turns) for name, turns in talks.items()}
    return [next(waiting[name]) for name in slots]


def _grouped(workload: Workload, n_groups: int, chance: random.Random) -> Workload:
    """The workload with each request in one of `n_groups` groups; a conversation stays in one."""
    requests: list[Request] = []
    for request in workload.requests:
        group = chance.randrange(n_groups) if request.after is None else requests[request.after].group
        requests.append(replace(request, group=group))
    return replace(workload, requests=tuple(requests))


def _disjoint(questions: QuestionSet, n_requests: int, top_k: int, chance: random.Random) -> Workload:
    """Requests with passages of their own: real questions, real words and lengths, nothing that could be reused."""
    asked = [Question(dialogue=_single(question), gold=frozenset()) for question in questions.questions]
    chosen = chance.choices(asked, k=n_requests)
    chunks = tuple(
        _scrambled(seq, questions.chunks[chance.randrange(len(questions.chunks))], chance)
        for seq in range(n_requests * top_k)
    )
    # Nothing is searched: scores fall as they do where one passage answers.
    scores = [0.7 - 0.3 * rank / top_k for rank in range(top_k)]
    requests = []
    for index, question in enumerate(chosen):
        own = chunks[index * top_k : (index + 1) * top_k]
        hits = tuple(Hit(chunk=chunk, score=scores[rank], rank=rank + 1) for rank, chunk in enumerate(own))
        requests.append(Request(dialogue=question.dialogue, hits=(hits,), gold=frozenset({own[0].seq})))
    noise = np.random.default_rng(chance.randrange(2**32)).standard_normal((len(chunks), 64)).astype(np.float32)
    vectors: Vectors = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    return Workload(name=f"{questions.name} (none shared)", chunks=chunks, vectors=vectors, requests=tuple(requests))


def _single(question: Question) -> Dialogue:
    return Dialogue("", (Turn(question.dialogue.turns[-1].question),))


def _scrambled(seq: int, model: Chunk, chance: random.Random) -> Chunk:
    words = model.text.split()
    chance.shuffle(words)
    name = f"{chance.getrandbits(40):010x}"
    text = " ".join(words)
    return Chunk(
        id=ChunkId(f"{name}-{seq}"),
        seq=seq,
        document=name,
        title=name,
        anchor=Anchor(heading=name),
        start=0,
        end=len(text),
        text=text,
    )
