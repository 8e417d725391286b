"""`rag bench load` with a rate: everything that its options say, carried out."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rag.bench.load import some_service
from rag.bench.openloop.arrivals import Arrival, poisson, recorded
from rag.bench.openloop.prepare import made_up_questions, make_arms, read_questions
from rag.bench.openloop.run import Level, Limits, highest_rate, send


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLoad:
    """What is sent to what."""

    rates: Sequence[float]
    find: bool = False  # the highest rate that holds, from the first of `rates` on
    seconds: float = 30.0  # at each rate
    answer_tokens: int = 64
    trace: Path | None = None  # whose arrivals are taken; None: random ones
    questions: Path | None = None  # None: made up
    arms: Sequence[str] = ("service", "engine")
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of it."""

    levels: tuple[Level, ...]
    highest: dict[str, float | None]  # rate that each arm holds, where that was looked for


def bench_open_load(
    load: OpenLoad, *, url: str | None, token: str, prompt_tokens: int, report: Callable[[Level], None]
) -> Found:
    """Every level, the arms in turn at each rate. url: of a running service; None: one of our own."""
    questions = read_questions(load.questions) if load.questions else made_up_questions()
    _arrivals(load, load.rates[0])  # a trace that cannot be read is found out before anything starts
    levels: list[Level] = []

    def note(level: Level) -> None:
        levels.append(level)
        report(level)

    with some_service(url, prompt_tokens) as base:
        arms = make_arms(load.arms, base, questions, token)
        if load.find:
            search = {
                arm.name: asyncio.run(
                    highest_rate(arm, lambda rate: _arrivals(load, rate), load.limits, first=load.rates[0], report=note)
                )
                for arm in arms
            }
            return Found(levels=tuple(levels), highest=search)
        for rate in load.rates:
            for arm in arms:
                note(asyncio.run(send(arm, _arrivals(load, rate), load.limits)))
    return Found(levels=tuple(levels), highest={})


def _arrivals(load: OpenLoad, rate: float) -> Sequence[Arrival]:
    if load.trace:
        return recorded(load.trace, rate, seconds=load.seconds, answer_tokens=load.answer_tokens)
    return poisson(rate, seconds=load.seconds, answer_tokens=load.answer_tokens)
