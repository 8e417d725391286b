"""What a request needs of the engines: work, and room in their caches."""

from rag.admission import Claim, Need
from rag.ask import Ask
from rag.compose import answer_tokens
from rag.rooms import Rooms
from rag.types import Prompt

_CHARS_OF_A_TOKEN = 4  # about, in most languages: the prompt is not made yet
_SHARED = {"system", "shared_prefix"}


def claim_of(ask: Ask, rooms: Rooms) -> Claim:
    """What the request asks for, before anything is known of its prompt."""
    n_chars = sum(len(message.content) for message in ask.messages)
    n_tokens = n_chars // _CHARS_OF_A_TOKEN + ask.sampling.n * answer_tokens(ask, rooms)
    return Claim(key=ask.key_id, priority=ask.priority, n_tokens=n_tokens)


def need_of(ask: Ask, prompt: Prompt, rooms: Rooms) -> Need:
    """What the request holds of the caches alone. Of its answers only the number is bound to be as asked."""
    return Need(
        n_prompt_tokens=sum(each.n_tokens for each in prompt.segments if each.name not in _SHARED),
        n_answers=ask.sampling.n,
        answer_tokens=answer_tokens(ask, rooms),
        kv_tokens=rooms.fleet.kv_tokens,
    )
