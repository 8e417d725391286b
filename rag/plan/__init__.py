"""Which chunks go into a prompt, and in which order. Pure: no clock, no chance, no I/O."""

from rag.plan.chain import BlockName, block_chain
from rag.plan.conversation import plan_conversation
from rag.plan.demand import Demand
from rag.plan.dialogue import Dialogue, Turn, n_earlier_turns, read_dialogue, without_oldest
from rag.plan.fill import ANSWER, Origin, Owner, runs
from rag.plan.held import Held, Mirror
from rag.plan.news import Cleared, EngineHash, News, Removed, Stored
from rag.plan.pace import Pace, fit_pace
from rag.plan.prefix import Limits, Prefix, PrefixSet, choose_topics, make_prefix, make_prefix_set
from rag.plan.question import Choice, EngineView, Opening, plan_question
from rag.plan.relevance import relevant
from rag.plan.route import Candidate, Route, Why, has_room, homes, n_homes, route
from rag.plan.sequences import Sequences
from rag.plan.topics import Topic, Vectors
from rag.plan.turns import Passage, Plan, PlannedTurn, plan_turn

__all__ = [
    "ANSWER",
    "BlockName",
    "Candidate",
    "Choice",
    "Cleared",
    "Demand",
    "Dialogue",
    "EngineHash",
    "EngineView",
    "Held",
    "Limits",
    "Mirror",
    "News",
    "Opening",
    "Origin",
    "Owner",
    "Pace",
    "Passage",
    "Plan",
    "PlannedTurn",
    "Prefix",
    "PrefixSet",
    "Removed",
    "Route",
    "Sequences",
    "Stored",
    "Topic",
    "Turn",
    "Vectors",
    "Why",
    "block_chain",
    "choose_topics",
    "fit_pace",
    "has_room",
    "homes",
    "make_prefix",
    "make_prefix_set",
    "n_earlier_turns",
    "n_homes",
    "plan_conversation",
    "plan_question",
    "plan_turn",
    "read_dialogue",
    "relevant",
    "route",
    "runs",
    "without_oldest",
]
