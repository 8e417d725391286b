"""Which chunks go into a prompt, and in which order. Pure: no clock, no chance, no I/O."""

from rag.plan.chain import BlockName, block_chain
from rag.plan.conversation import plan_conversation
from rag.plan.dialogue import Dialogue, Turn, read_dialogue
from rag.plan.held import Held
from rag.plan.shared import choose_shared
from rag.plan.turns import Passage, Plan, PlannedTurn, plan_turn

__all__ = [
    "BlockName",
    "Dialogue",
    "Held",
    "Passage",
    "Plan",
    "PlannedTurn",
    "Turn",
    "block_chain",
    "choose_shared",
    "plan_conversation",
    "plan_turn",
    "read_dialogue",
]
