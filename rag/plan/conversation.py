"""The plan of a whole conversation, one turn after the other."""

from collections.abc import Callable, Mapping, Sequence

from rag.errors import ContextTooLong
from rag.plan.dialogue import Dialogue
from rag.plan.turns import Passage, Plan, PlannedTurn, plan_turn
from rag.types import Hit

# A turn's chunks take at most half of what is left, so a conversation never fills the window with its first turn.
_ROOM_SHARE = 2


def plan_conversation(
    dialogue: Dialogue,
    hits: Sequence[Sequence[Hit]],
    *,
    n_tokens: Mapping[int, int],
    shared: Sequence[Passage],
    capacity_tokens: int,
    fixed_tokens: Callable[[Plan], int],
) -> Plan:
    """A plan whose prompt fits `capacity_tokens`.

    Each turn is planned from what stands before it and nothing else, so a later request with the same turns
    finds the same chunks in the same places. When not even an empty tail fits, the shared prefix is given up.

    hits: what retrieval found for each turn's question. n_tokens: cost of a chunk, by seq. fixed_tokens: what a
    plan costs without its passages.

    Raises:
        ContextTooLong: the conversation alone is over the capacity.
    """
    plan = _plan(dialogue, hits, n_tokens, shared, capacity_tokens, fixed_tokens)
    if plan is None and shared:
        plan = _plan(dialogue, hits, n_tokens, (), capacity_tokens, fixed_tokens)
    if plan is None:
        bare = Plan(
            application=dialogue.application,
            turns=tuple(PlannedTurn(question=t.question, answer=t.answer) for t in dialogue.turns),
        )
        raise ContextTooLong(
            f"The messages take {fixed_tokens(bare)} tokens of the {capacity_tokens} that the model's window leaves "
            "beside the answer. Shorten them, start a new conversation, or ask for fewer max_tokens.",
            param="messages",
        )
    return plan


def _plan(
    dialogue: Dialogue,
    hits: Sequence[Sequence[Hit]],
    n_tokens: Mapping[int, int],
    shared: Sequence[Passage],
    capacity_tokens: int,
    fixed_tokens: Callable[[Plan], int],
) -> Plan | None:
    shown = frozenset(passage.chunk.seq for passage in shared)
    used = sum(passage.n_tokens for passage in shared)
    plan = Plan(shared=tuple(passage.chunk for passage in shared), application=dialogue.application)
    for turn, found in zip(dialogue.turns, hits, strict=True):
        # As it was when the question came: the answer was not known.
        room = capacity_tokens - used - fixed_tokens(_extended(plan, PlannedTurn(question=turn.question)))
        if room < 0:
            return None
        costs = [n_tokens[hit.chunk.seq] for hit in found]
        chunks = plan_turn(found, costs, shown=shown, budget_tokens=room // _ROOM_SHARE)
        used += sum(n_tokens[chunk.seq] for chunk in chunks)
        shown |= {chunk.seq for chunk in chunks}
        planned = PlannedTurn(question=turn.question, answer=turn.answer, chunks=chunks)
        plan = _extended(plan, planned)
    return plan


def _extended(plan: Plan, turn: PlannedTurn) -> Plan:
    return Plan(shared=plan.shared, application=plan.application, turns=(*plan.turns, turn))
