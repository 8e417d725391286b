"""A prompt on its way to an engine."""

import hashlib
from dataclasses import dataclass, field

from rag.engine.base import EngineInfo
from rag.engine.flight import Flight
from rag.engine.slot import Slot
from rag.plan import ANSWER, BlockName, Candidate, Origin, Owner, block_chain, runs
from rag.types import Prompt


@dataclass(slots=True, kw_only=True, eq=False)
class Ticket:
    """A prompt on its way to one engine, and how much of it that engine should hold.

    Where that one fails before it has said anything, the ticket is rewritten for another one, once.
    """

    prompt: Prompt
    salt: str
    key: str  # of the prefix that the prompt shares with others
    slot: Slot
    info: EngineInfo
    chain: tuple[BlockName, ...]
    predicted_cached_tokens: int
    owner: Owner = field(default_factory=Owner)
    is_fixed: bool = False  # to its engine
    wait_s: float = 0.0  # how long it may wait for another one
    flight: Flight = field(default_factory=Flight)  # of nothing before it is on its way

    @property
    def missing(self) -> tuple[BlockName, ...]:
        """The blocks that the engine must compute."""
        return self.chain[self.predicted_cached_tokens // self.info.block_size :]

    @property
    def n_new_tokens(self) -> int:
        """The tokens of the prompt that the engine must compute."""
        return len(self.prompt.token_ids) - self.predicted_cached_tokens

    @property
    def session(self) -> str:
        """A name for prompts that share a prefix: a hash that tells neither who asks nor what."""
        return hashlib.blake2b(f"{self.salt}\n{self.key}".encode(), digest_size=16).hexdigest()

    def candidate(self) -> Candidate:
        """Its engine as routing sees it: what other prompts are having computed there counts as held."""
        missing = self.missing
        n_coming = next((index for index, name in enumerate(missing) if name not in self.slot.flights), len(missing))
        n_new = max(self.n_new_tokens - n_coming * self.info.block_size, 1)
        return self.slot.candidate(n_new=n_new, n_cached=len(self.prompt.token_ids) - n_new)

    def runs(self, n_blocks: int) -> tuple[tuple[int, Origin], ...]:
        """Where `n_blocks` blocks come from that begin with the prompt's."""
        of_prompt = runs(self.owner, self.prompt.segments, self.info.block_size)
        return (*of_prompt, (n_blocks, Origin(self.owner, ANSWER)))

    def board(self) -> None:
        """Take a place at the engine, and show others what is computed there."""
        self.flight = self.slot.flights.start(self.missing, self.n_new_tokens)
        self.slot.n_running += 1

    def leave(self) -> None:
        """Give it up."""
        self.slot.n_running -= 1
        self.slot.flights.land(self.flight)

    def move(self, other: "Ticket") -> None:
        """Become `other`, which nobody boarded."""
        self.leave()
        self.slot, self.info, self.chain = other.slot, other.info, other.chain
        self.predicted_cached_tokens, self.is_fixed = other.predicted_cached_tokens, True
        self.board()


def make_ticket(slot: Slot, info: EngineInfo, prompt: Prompt, salt: str, key: str) -> Ticket:
    """The ticket for an engine. key: of what the prompt shares; empty: whatever it begins with."""
    chain = block_chain(prompt.token_ids, info.block_size, salt)
    # The last token is always computed anew: its output is the first token of the answer.
    n_blocks = min(slot.held.match(chain), (len(prompt.token_ids) - 1) // info.block_size)
    return Ticket(
        prompt=prompt,
        salt=salt,
        key=key or (chain[0].hex() if chain else ""),
        slot=slot,
        info=info,
        chain=chain,
        predicted_cached_tokens=n_blocks * info.block_size,
    )
