"""Hits to a prompt that fits: plan, stored tokens, render."""

from collections.abc import Sequence

from rag.ask import Ask
from rag.errors import ContextTooLong, InvalidRequest
from rag.plan import Dialogue, plan_conversation, read_dialogue
from rag.rooms import Rooms, shared_budget
from rag.store import Generation
from rag.types import Hit, Prompt

_ANSWER_SHARE = 4  # of the window, what an answer gets unasked at most


def dialogue_of(ask: Ask) -> Dialogue:
    """The conversation that an ask carries.

    Raises:
        InvalidRequest: it does not end with a question.
    """
    dialogue = read_dialogue(ask.messages)
    if dialogue is None or not dialogue.turns[-1].question.strip():
        raise InvalidRequest(
            "The messages do not end with a question. Let the last message be the user's, with text in it.",
            param="messages",
        )
    return dialogue


def answer_tokens(ask: Ask, rooms: Rooms) -> int:
    """The tokens kept free for the answer: those asked for, or the setting within the window."""
    return ask.sampling.max_tokens or min(
        rooms.settings.prompt.answer_tokens, rooms.engine.window_tokens // _ANSWER_SHARE
    )


def compose(
    ask: Ask, dialogue: Dialogue, hits: Sequence[Sequence[Hit]], generation: Generation, rooms: Rooms
) -> Prompt:
    """The prompt of a conversation with documents. Blocks: it may read token arrays from disk.

    Raises:
        ContextTooLong: the conversation does not fit the window.
    """
    window = rooms.engine.window_tokens
    shared = rooms.passages.shared(generation, budget_tokens=shared_budget(rooms.settings, window))
    found = {hit.chunk.seq: hit.chunk for turn in hits for hit in turn if hit.chunk.seq not in shared.tokens}
    tokens = shared.tokens | rooms.passages.tokens(list(found.values()))
    plan = plan_conversation(
        dialogue,
        hits,
        n_tokens={seq: rooms.passages.cost(array) for seq, array in tokens.items()},
        shared=shared.passages,
        capacity_tokens=window - answer_tokens(ask, rooms),
        fixed_tokens=rooms.renderer.fixed_tokens,
    )
    return rooms.renderer.render(plan, tokens)


def compose_plain(ask: Ask, rooms: Rooms) -> Prompt:
    """The prompt of a conversation without documents. Blocks: long texts take time to tokenise.

    Raises:
        ContextTooLong: the conversation does not fit the window.
    """
    prompt = rooms.renderer.render_plain(ask.messages)
    capacity = rooms.engine.window_tokens - answer_tokens(ask, rooms)
    if len(prompt.token_ids) > capacity:
        raise ContextTooLong(
            f"The messages take {len(prompt.token_ids)} tokens of the {capacity} that the model's window leaves "
            "beside the answer. Shorten them, or ask for fewer max_tokens.",
            param="messages",
        )
    return prompt
