"""Our own arm: the planner as the service runs it, over the bench's corpus instead of a store."""

from collections.abc import Sequence

from rag.bench.reuse.ground import Ground
from rag.plan import (
    Dialogue,
    EngineView,
    Limits,
    Passage,
    Plan,
    PlannedTurn,
    Prefix,
    PrefixSet,
    choose_topics,
    make_prefix,
    make_prefix_set,
    plan_conversation,
)
from rag.planner import Planner
from rag.recall import turn_keys
from rag.settings import Settings
from rag.types import Chunk, Hit

_UNBOUNDED = 10**9


class Ours:
    """Shared prefixes by topic, the best continuation that the engine holds, and a tail cut by relevance."""

    def __init__(
        self, name: str, ground: Ground, *, topic_tokens: int | None = None, keep_ratio: float | None = None
    ) -> None:
        """Freeze the topics. topic_tokens, keep_ratio: other than the settings' defaults, for ablation."""
        self.name = name
        self._ground = ground
        settings = Settings()
        self._share = settings.cache.prefix_share
        self._prefixes = _freeze(ground, settings, topic_tokens)
        self._by_seqs = {tuple(chunk.seq for chunk in prefix.chunks): prefix for prefix in self._prefixes.prefixes}
        self._planner = Planner(
            ground.renderer,
            keep_ratio=settings.retrieve.keep_ratio if keep_ratio is None else keep_ratio,
            near_tie=settings.prompt.near_tie,
            is_warmed=True,
        )
        self._turns: dict[bytes, tuple[Prefix | None, tuple[Chunk, ...]]] = {}

    def warm(self) -> Sequence[Plan]:
        """Each prefix alone, as many as the warmer would compute."""
        budget = self._share * (self._ground.kv_tokens or _UNBOUNDED)
        wanted = (self._prefixes.prefixes[number] for number in self._prefixes.most_wanted(budget))
        return [Plan(shared=prefix.chunks, turns=(PlannedTurn(question=""),)) for prefix in wanted]

    def plan(self, dialogue: Dialogue, hits: Sequence[Sequence[Hit]]) -> Plan:
        """The plan that the service would make."""
        ground = self._ground
        capacity = (ground.window_tokens or _UNBOUNDED) - ground.answer_tokens
        keys = turn_keys(dialogue, "")
        known = [self._turns[key] for key in keys[:-1] if key in self._turns]
        n_tokens = {hit.chunk.seq: ground.cost(hit.chunk) for turn in hits for hit in turn}
        n_tokens |= {chunk.seq: ground.cost(chunk) for _, chunks in known for chunk in chunks}
        prefix, given = (known[0][0] if known else None), tuple(chunks for _, chunks in known)
        if not known:
            first = Plan(application=dialogue.application, turns=(PlannedTurn(question=dialogue.turns[0].question),))
            view = EngineView(held=ground.held(), block_size=ground.block_size, pace=ground.pace)
            choice = self._planner.choose(
                first,
                hits[0],
                self._prefixes,
                view,
                salt=ground.salt,
                n_tokens=n_tokens,
                capacity_tokens=capacity,
            )
            prefix, given = choice.prefix, (choice.chunks,)
        plan = plan_conversation(
            dialogue,
            prefix=prefix,
            given=given,
            hits=[self._planner.kept(found) for found in hits[len(given) :]],
            n_tokens=n_tokens,
            capacity_tokens=capacity,
            fixed_tokens=ground.renderer.fixed_tokens,
        )
        for key, turn in zip(keys, plan.turns, strict=True):
            self._turns[key] = (prefix, turn.chunks)
        return plan

    def served(self, plan: Plan) -> None:
        """Remember what the engine has computed now."""
        if len(plan.turns) == 1:
            prefix = self._by_seqs.get(tuple(chunk.seq for chunk in plan.shared))
            prompt = self._ground.prompt(plan)
            self._planner.sent(plan, prompt, prefix, salt=self._ground.salt, block_size=self._ground.block_size)


def _freeze(ground: Ground, settings: Settings, topic_tokens: int | None) -> PrefixSet:
    limits = Limits(
        whole_tokens=settings.prompt.shared_prefix_tokens if topic_tokens is None else 0,
        core_tokens=settings.prompt.topic_tokens if topic_tokens is None else topic_tokens,
        held_tokens=round(settings.cache.prefix_share * (ground.kv_tokens or _UNBOUNDED)),
    )
    topics = choose_topics((), 0, ground.vectors, [ground.cost(chunk) for chunk in ground.chunks], limits)
    prefixes = []
    for number, topic in enumerate(topics):
        passages = [
            Passage(
                chunk=ground.chunks[index],
                n_tokens=ground.renderer.cost(ground.tokens[ground.chunks[index].seq], number=place),
            )
            for place, index in enumerate(topic, start=1)
        ]
        prefixes.append(make_prefix(f"{number}", passages))
    return make_prefix_set("", prefixes, topics, ground.vectors)
