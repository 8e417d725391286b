"""Aliases: which model a conversation gets, and when conversations leave one that does worse."""

import asyncio

import pytest

from rag.aliases import Aliases
from rag.errors import EngineError, InvalidRequest
from rag.settings import AliasShare, load
from rag.telemetry import Metrics

BOTH = ("old", "new")


def aliases(new_share: float, metrics: Metrics | None = None) -> Aliases:
    return Aliases({"chat": shares(new_share)}, metrics or Metrics())


def shares(new_share: float) -> tuple[AliasShare, ...]:
    return AliasShare(model="old", share=1 - new_share), AliasShare(model="new", share=new_share)


def note(made: Aliases, model: str, first_s: float | None, *, n: int = 1, documents: bool = True) -> None:
    async def one() -> None:
        async with made.trial("chat", model, documents=documents) as trial:
            if first_s is None:
                raise EngineError("It broke. Mend it.")
            trial.answered(first_s)

    async def check() -> None:
        for _ in range(n):
            try:
                await one()
            except EngineError:
                assert first_s is None

    asyncio.run(check())


def of_new(made: Aliases, n: int = 2000) -> set[int]:
    return {number for number in range(n) if made.pick("chat", f"talk {number}", BOTH) == "new"}


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_each_model_gets_its_share_of_conversations(share: float) -> None:
    assert abs(len(of_new(aliases(share))) / 2000 - share) < 0.03


def test_a_conversation_stays_and_a_growing_share_moves_none_back() -> None:
    made, before = aliases(0.1), of_new(aliases(0.1))
    assert of_new(made) == before
    made.set({"chat": shares(0.4)})
    assert of_new(made) > before


def test_a_model_that_takes_no_requests_gets_none() -> None:
    made = aliases(0.5)
    assert {made.pick("chat", f"talk {n}", ["new"]) for n in range(50)} == {"new"}
    assert {made.pick("chat", f"talk {n}", ["old"]) for n in range(50)} == {"old"}
    assert made.pick("other", "talk", BOTH) is None
    assert made.names_of(["new"]) == ("chat",)
    assert made.names_of(["else"]) == ()


def test_conversations_leave_a_model_that_fails_more_often() -> None:
    metrics = Metrics()
    made = aliases(0.5, metrics)
    note(made, "old", 0.1, n=20)
    note(made, "new", 0.1, n=5)
    note(made, "new", None, n=2)
    assert of_new(made)
    note(made, "new", None)
    assert not of_new(made)
    said = metrics.render().decode()
    assert 'rag_alias_left{alias="chat",model="new"} 1.0' in said
    assert 'rag_alias_answers_total{alias="chat",model="new",outcome="failed"} 3.0' in said
    made.set({"chat": shares(0.5)})  # it is tried again
    assert of_new(made)
    assert 'rag_alias_left{alias="chat",model="new"} 0.0' in metrics.render().decode()


def test_what_fails_alike_on_both_is_not_the_new_ones_fault() -> None:
    made = aliases(0.5)
    for model in BOTH:
        note(made, model, 0.1, n=10)
        note(made, model, None, n=10)
    assert of_new(made)


def test_the_former_never_loses_its_conversations() -> None:
    made = aliases(0.5)
    note(made, "new", 0.1, n=20)
    note(made, "old", None, n=20)
    assert len(of_new(made)) < 2000


def test_conversations_leave_a_model_whose_first_token_comes_late() -> None:
    made = aliases(0.5)
    note(made, "old", 0.2, n=20)
    note(made, "new", 0.31, n=19)
    assert of_new(made)
    note(made, "new", 0.31)
    assert not of_new(made)


@pytest.mark.parametrize(("old_s", "new_s"), [(0.2, 0.29), (0.02, 0.11), (0.5, 0.7)])
def test_a_little_slower_is_not_worse(old_s: float, new_s: float) -> None:
    made = aliases(0.5)
    note(made, "old", old_s, n=20)
    note(made, "new", new_s, n=40)
    assert of_new(made)


def test_what_the_bare_model_does_is_compared_with_its_like() -> None:
    made = aliases(0.5)
    note(made, "old", 0.1, n=20, documents=False)
    note(made, "new", 0.5, n=20)
    assert of_new(made)
    note(made, "new", 0.5, n=20, documents=False)
    assert not of_new(made)


def test_a_request_that_is_wrong_says_nothing_of_the_model() -> None:
    metrics = Metrics()
    made = aliases(0.5, metrics)

    async def wrong() -> None:
        with pytest.raises(InvalidRequest):
            async with made.trial("chat", "new", documents=True):
                raise InvalidRequest("No.")
        async with made.trial(None, "new", documents=True) as trial:  # by its own name
            trial.answered(9.0)

    asyncio.run(wrong())
    assert "rag_alias_answers_total{" not in metrics.render().decode()


def test_shares_from_the_environment_and_what_is_wrong_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "RAG_MODELS__ALIASES__CHAT"
    monkeypatch.setenv(name, '[{"model": "old", "share": 0.9}, {"model": "new", "share": 0.1}]')
    loaded = load()
    assert loaded.settings.models.aliases == {"chat": shares(0.1)}
    [told] = [each.value for each in loaded.describe() if each.name == "models.aliases"]
    assert told == {"chat": [{"model": "old", "share": 0.9}, {"model": "new", "share": 0.1}]}
    for value, what in (
        ('[{"model": "old", "share": 0.9}, {"model": "new", "share": 0.2}]', "together not 1"),
        ('[{"model": "old", "share": 0.5}, {"model": "old", "share": 0.5}]', "names a model twice"),
        ('[{"model": "old", "share": -1}]', "greater than or equal to 0"),
    ):
        monkeypatch.setenv(name, value)
        with pytest.raises(Exception, match=what):
            load()
    monkeypatch.setenv(name, "old")
    assert load().settings.models.aliases == {"chat": "old"}
