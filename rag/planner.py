"""Plans for engines as they are now: what each holds, how fast it is, and what was sent to it before."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from rag.plan import (
    BlockName,
    Choice,
    EngineView,
    Opening,
    Plan,
    Prefix,
    PrefixSet,
    Sequences,
    block_chain,
    plan_question,
    relevant,
)
from rag.render import Renderer
from rag.types import Hit, Prompt, Tokens

# Bounds of what is remembered: 209 MiB in all with openings of 2,000 tokens in blocks of 16 (`rag bench planner`).
_OPENINGS = 4096
_SEQUENCES = 100_000
# Without a warmer, whoever asks first computes a prefix for those who follow: so many, over all prefixes.
_QUESTIONS_AHEAD = 64

_OpeningKey = tuple[str, int, str]  # prefix version, block size, salt


class Planner:
    """Chooses what a question's prompt is made of. Calls compute; any thread may call."""

    def __init__(self, renderer: Renderer, *, keep_ratio: float, near_tie: float, is_warmed: bool) -> None:
        """keep_ratio: as of `relevant`. near_tie: as of `plan_question`. is_warmed: a warmer computes prefixes."""
        self._renderer = renderer
        self._keep_ratio = keep_ratio
        self._near_tie = near_tie
        self._is_warmed = is_warmed
        self._lock = threading.Lock()  # of all below
        self._sequences = Sequences(_SEQUENCES)
        self._openings: OrderedDict[_OpeningKey, tuple[int, tuple[BlockName, ...]]] = OrderedDict()

    def kept(self, hits: Sequence[Hit]) -> tuple[Hit, ...]:
        """The hits of a question that are no noise."""
        return relevant(hits, keep_ratio=self._keep_ratio)

    def choose(
        self,
        first: Plan,
        hits: Sequence[Hit],
        shared: PrefixSet,
        engine: EngineView,
        *,
        salt: str,
        n_tokens: Mapping[int, int],
        capacity_tokens: int,
        allowed: frozenset[int] | None = None,
    ) -> Choice:
        """The choice for a conversation's first question at one engine; see `plan_question`.

        first: the bare plan of that question. n_tokens: cost of the hits' chunks, by seq. capacity_tokens: of the
        whole prompt. allowed: numbers of the chunks that may be shown; None: all.
        """
        kept = self.kept(hits)
        candidates = shared.showing([hit.chunk for hit in kept], allowed)
        n_bare = self._renderer.fixed_tokens(first)
        with self._lock:
            openings = [self._opening(p, engine, salt, _stem(first), len(shared.prefixes)) for p in (None, *candidates)]
            choice = plan_question(
                hits,
                kept,
                openings,
                n_tokens=n_tokens,
                n_fixed=n_bare - self._bare(engine.block_size, salt)[0],
                budget_tokens=max(capacity_tokens - n_bare, 0),
                pace=engine.pace,
                sequences=self._sequences,
                held=engine.held,
                near_tie=self._near_tie,
            )
            shared.demand.note(kept, [shared.by_seq.get(hit.chunk.seq, ()) for hit in kept])
        return choice

    def sent(self, plan: Plan, prompt: Prompt, prefix: Prefix | None, *, salt: str, block_size: int) -> None:
        """Remember a first question's prompt that is on its way, so that later ones can start like it."""
        chain = block_chain(prompt.token_ids, block_size, salt)
        sizes = {segment.name: segment.n_tokens for segment in prompt.segments}
        n_opening = sizes["system"] + sizes.get("shared_prefix", 0)
        end = n_opening + sizes.get("history", 0)
        tail = [shown for shown in prompt.shown if prefix is None or shown.chunk.seq not in prefix.seqs]
        blocks: list[BlockName | None] = []
        for shown in tail:
            end += shown.n_tokens
            blocks.append(chain[end // block_size - 1] if end >= block_size else None)
        version = prefix.version if prefix else ""
        with self._lock:
            self._know((version, block_size, salt), n_opening, chain[: n_opening // block_size])
            seqs, n_tokens = [shown.chunk.seq for shown in tail], [shown.n_tokens for shown in tail]
            self._sequences.note(_root(salt, version, _stem(plan)), seqs, n_tokens, blocks)

    def holds(self, prefix: Prefix, engine: EngineView, *, salt: str) -> bool:
        """Whether an engine holds a prefix, as far as is known."""
        with self._lock:
            known = self._openings.get((prefix.version, engine.block_size, salt))
        return known is not None and (not known[1] or engine.holds(known[1][-1]))

    def computes(self, prefix: Prefix, token_ids: Tokens, *, salt: str, block_size: int) -> None:
        """Remember an opening that an engine is about to compute."""
        chain = block_chain(token_ids, block_size, salt)
        with self._lock:
            self._know((prefix.version, block_size, salt), len(token_ids), chain)

    def why_missing(self, prefix: Prefix | None, *, salt: str) -> str:
        """Why no engine may hold an opening: `evicted` if it was sent before, else `other_group` or `cold`."""
        version = prefix.version if prefix else ""
        with self._lock:
            salts = {key[2] for key in self._openings if key[0] == version}
        return "evicted" if salt in salts else "other_group" if salts else "cold"

    def _opening(self, prefix: Prefix | None, engine: EngineView, salt: str, stem: str, n_prefixes: int) -> Opening:
        block_size, version = engine.block_size, prefix.version if prefix else ""
        known = self._openings.get((version, block_size, salt)) or self._bare(block_size, salt)
        n_tokens, chain = known
        is_known = prefix is None or (version, block_size, salt) in self._openings
        if prefix and not is_known:  # never sent: nothing of it but the system text can be held
            n_tokens += prefix.n_tokens
        # Roots live longest, so with the last block all are held.
        is_held = bool(chain) and engine.holds(chain[-1])
        n_blocks = len(chain) if is_held else engine.match(chain)
        return Opening(
            prefix=prefix,
            root=_root(salt, version, stem),
            n_tokens=n_tokens,
            n_cached=n_blocks * block_size,
            is_held=is_held and is_known,
            missing_weight=1.0 if self._is_warmed else min(1.0, n_prefixes / _QUESTIONS_AHEAD),
        )

    def _bare(self, block_size: int, salt: str) -> tuple[int, tuple[BlockName, ...]]:
        key = ("", block_size, salt)
        if key not in self._openings:
            token_ids = self._renderer.opening((), {})
            self._know(key, len(token_ids), block_chain(token_ids, block_size, salt))
        return self._openings[key]

    def _know(self, key: _OpeningKey, n_tokens: int, chain: tuple[BlockName, ...]) -> None:
        self._openings[key] = (n_tokens, chain)
        self._openings.move_to_end(key)
        while len(self._openings) > _OPENINGS:
            self._openings.popitem(last=False)


def _root(salt: str, version: str, stem: str) -> str:
    return f"{salt} {version} {stem}"


def _stem(plan: Plan) -> str:
    """What stands between the prefix and the first chunk behind it."""
    return "" if plan.application_last else plan.application
