"""The plan of a whole conversation, one turn after the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rag.errors import ContextTooLong
from rag.plan.dialogue import Dialogue
from rag.plan.prefix import Prefix
from rag.plan.turns import Plan, PlannedTurn, plan_turn
from rag.types import Chunk, Hit

# A turn's chunks take at most half of what is left, so a conversation never fills the window with its first turn.
ROOM_SHARE = 2


def plan_conversation(
    dialogue: Dialogue,
    *,
    prefix: Prefix | None,
    given: Sequence[tuple[Chunk, ...]],
    hits: Sequence[Sequence[Hit]],
    n_tokens: Mapping[int, int],
    capacity_tokens: int,
    fixed_tokens: Callable[[Plan], int],
    application_last: bool = False,
) -> Plan:
    """A plan whose prompt fits `capacity_tokens`.

    A turn that is not given is planned from what stands before it and nothing else, so a later request with the
    same turns finds the same chunks in the same places. What no longer fits is given up whole: first what earlier
    turns showed, with the shared prefix.

    given: chunks of the leading turns, where they are known. hits: those worth showing of each turn behind them.
    n_tokens: cost of a chunk, by seq. fixed_tokens: what a plan costs without its passages.

    Raises:
        ContextTooLong: the conversation alone is over the capacity.
    """
    bare = Plan(application=dialogue.application, application_last=application_last)
    shared = replace(bare, shared=prefix.chunks if prefix else ())
    used = prefix.n_tokens if prefix else 0
    room = (n_tokens, capacity_tokens, fixed_tokens)
    plan = _fill(shared, dialogue, given, hits, used, *room)
    if plan is None and (prefix or given):
        forgotten = [()] * max(len(dialogue.turns) - len(hits), 0)
        plan = _fill(bare, dialogue, forgotten, hits, 0, *room)
    if plan is None:
        turns = tuple(
            PlannedTurn(question=turn.question, answer=turn.answer, results=turn.results) for turn in dialogue.turns
        )
        raise ContextTooLong(
            f"The messages take {fixed_tokens(replace(bare, turns=turns))} tokens of the {capacity_tokens} that the "
            "model's window leaves beside the answer. Shorten them, start a new conversation, or ask for fewer "
            "max_tokens.",
            param="messages",
        )
    return plan


def _fill(
    plan: Plan,
    dialogue: Dialogue,
    given: Sequence[tuple[Chunk, ...]],
    hits: Sequence[Sequence[Hit]],
    used: int,
    n_tokens: Mapping[int, int],
    capacity_tokens: int,
    fixed_tokens: Callable[[Plan], int],
) -> Plan | None:
    """`plan` with all turns; None if they do not fit beside the `used` tokens of its prefix."""
    shown = frozenset(chunk.seq for chunk in plan.shared)
    for index, turn in enumerate(dialogue.turns):
        # As it was when the question came: the answer was not known.
        asked = PlannedTurn(question=turn.question, results=turn.results)
        room = capacity_tokens - used - fixed_tokens(_extended(plan, asked))
        if room < 0:
            return None
        if index < len(given):
            chunks = given[index]
        else:
            found = hits[index - len(given)]
            costs = [n_tokens[hit.chunk.seq] for hit in found]
            chunks = plan_turn(found, costs, shown=shown, budget_tokens=room // ROOM_SHARE)
        cost = sum(n_tokens[chunk.seq] for chunk in chunks)
        if cost > room:
            return None
        used += cost
        shown |= {chunk.seq for chunk in chunks}
        plan = _extended(plan, replace(asked, answer=turn.answer, chunks=chunks))
    return plan


def _extended(plan: Plan, turn: PlannedTurn) -> Plan:
    return replace(plan, turns=(*plan.turns, turn))
