"""Hits to a prompt that fits: choose, plan, stored tokens, render."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from rag.applications import Steadiness
from rag.ask import Ask
from rag.engine import Slot
from rag.errors import ContextTooLong, CorpusError, EngineUnavailable, InvalidRequest
from rag.plan import Choice, Dialogue, Plan, PlannedTurn, plan_conversation, read_dialogue
from rag.quotes import Offer, offer
from rag.recall import History, Recalled, recall, remember, turn_keys
from rag.render import spoken
from rag.rooms import Rooms
from rag.store import Generation
from rag.types import Chunk, Hit, Message, Prompt, Tool

log = structlog.get_logger()

_ANSWER_SHARE = 4  # of the window, what an answer gets unasked at most
_DEFAULT_STYLE = "hermes"  # of tools in the prompt, where the model's own is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A prompt and why it is as it is."""

    prompt: Prompt
    slot: Slot | None = None  # the engine that it was planned for; None: any
    key: str = ""  # of the prefix that it shares with others; empty: whatever it begins with
    prefix_version: str = ""  # of the shared prefix, if it has one
    history: History = History.NONE
    application: Steadiness = Steadiness.STEADY
    why_cold: str = "cold"  # the reason, should the engine not hold what others share
    n_replaced: int = 0  # hits that gave way to near-tied ones
    n_turns_dropped: int = 0  # the oldest, for which there was no room
    offer: Offer | None = None  # what an answer of quotes may quote
    nothing: str = ""  # what is said where nothing answers; known where it may be needed

    @property
    def is_refused(self) -> bool:
        """Whether the engine need not be asked."""
        return bool(self.nothing) and self.offer is None


def asks_documents_alone(ask: Ask, dialogue: Dialogue) -> bool:
    """Whether nothing else could answer: earlier turns, instructions and tools are sources as well.

    What a program reads, as JSON of a schema, must be of its shape even where there is no answer.
    """
    is_opening = len(dialogue.turns) == 1 and not dialogue.turns[0].results
    return is_opening and not dialogue.application and not ask.tools and ask.sampling.response_format is None


def with_offer(composed: Composed, question: str, hits: Sequence[Hit], rooms: Rooms) -> Composed:
    """The same with what an answer of quotes may quote. Blocks."""
    return replace(composed, offer=offer(hits, composed.prompt.shown), nothing=rooms.abstention.text(question))


def dialogue_of(ask: Ask, rooms: Rooms) -> Dialogue:
    """The conversation that an ask carries.

    Raises:
        InvalidRequest: it does not end with a question or with what tools gave.
    """
    dialogue = read_dialogue(_spoken(ask.messages, ask.tools, rooms))
    if dialogue is None or not (dialogue.turns[-1].question.strip() or dialogue.turns[-1].results):
        raise InvalidRequest(
            "The messages do not end with a question. Let the last message be the user's, with text in it.",
            param="messages",
        )
    return dialogue


def answer_tokens(ask: Ask, rooms: Rooms) -> int:
    """The tokens kept free for the answer: those asked for, or the setting within the window."""
    return ask.sampling.max_tokens or min(
        rooms.settings.prompt.answer_tokens, rooms.model.engine.window_tokens // _ANSWER_SHARE
    )


def _spoken(messages: tuple[Message, ...], tools: tuple[Tool, ...], rooms: Rooms) -> tuple[Message, ...]:
    # Whether tools may be called is not told, so that turns with and without leave share their beginning.
    style = rooms.settings.engine.tool_parser or _DEFAULT_STYLE
    return spoken(messages, tools, style=style, parts=rooms.model.renderer.parts)


def recalled(
    ask: Ask, dialogue: Dialogue, allowed: frozenset[int] | None, generation: Generation, rooms: Rooms
) -> Recalled:
    """What the conversation has shown before. Blocks.

    allowed: numbers of the chunks that may be shown; None: all.
    """
    scope = f"{generation.info.id} {rooms.model.renderer.parts.layout} {ask.group}"
    before = recall(turn_keys(dialogue, scope), rooms.turns, generation, rooms.model.prefixes)
    shown = {chunk.seq for turn in before.turns for chunk in turn} | (before.prefix.seqs if before.prefix else set())
    if allowed is None or shown <= allowed:
        return before
    # It was shown under another filter, or attributes have changed since: those turns are planned afresh.
    return Recalled(keys=before.keys, history=History.MOVED)


def compose(
    ask: Ask,
    dialogue: Dialogue,
    before: Recalled,
    hits: Sequence[Sequence[Hit]],
    allowed: frozenset[int] | None,
    salt: str,
    generation: Generation,
    rooms: Rooms,
) -> Composed:
    """The prompt of a conversation with documents. Blocks: it may read token arrays from disk.

    before: of the turns that are known; hits: of the turns behind them. allowed: numbers of the chunks that may be
    shown; None: all.

    Raises:
        ContextTooLong: the conversation does not fit the window.
        EngineUnavailable: no engine is ready.
    """
    application = rooms.applications.look(dialogue.application, ask.group)
    varies = application is Steadiness.VARIES
    arrays = rooms.model.passages.tokens(_chunks(before, hits))
    n_tokens = {seq: rooms.model.renderer.cost(array) for seq, array in arrays.items()}
    capacity = rooms.model.engine.window_tokens - answer_tokens(ask, rooms)
    prefix, given, slot, block_size, n_replaced = before.prefix, before.turns, None, 0, 0
    if not given:
        bare = Plan(application=dialogue.application, application_last=varies)
        first = replace(
            bare, turns=(PlannedTurn(question=dialogue.turns[0].question, results=dialogue.turns[0].results),)
        )
        slot, block_size, choice = _first_turn(first, hits[0], allowed, salt, n_tokens, capacity, generation, rooms)
        prefix, given, n_replaced = choice.prefix, (choice.chunks,), len(choice.replaced)
    plan = plan_conversation(
        dialogue,
        prefix=prefix,
        given=given,
        hits=[rooms.model.planner.kept(found) for found in hits[len(given) - len(before.turns) :]],
        n_tokens=n_tokens,
        capacity_tokens=capacity,
        fixed_tokens=rooms.model.renderer.fixed_tokens,
        application_last=varies,
    )
    prompt = rooms.model.renderer.render(plan, arrays | rooms.model.passages.tokens(plan.shared))
    used = prefix if plan.shared else None
    why_cold = rooms.model.planner.why_missing(used, salt=salt)
    try:
        remember(before.keys, plan, prefix, len(before.turns), rooms.turns)
    except CorpusError as error:  # a full disk must not cost an answer, only the next turn's reuse
        log.warning("conversation_not_remembered", reason=str(error))
    if slot and len(plan.turns) == 1:
        rooms.model.planner.sent(plan, prompt, used, salt=salt, block_size=block_size)
    return Composed(
        prompt=prompt,
        slot=slot,
        key=used.version if used else _first_shown(plan),
        prefix_version=used.version if used else "",
        history=before.history,
        application=application,
        why_cold=why_cold,
        n_replaced=n_replaced,
    )


def _first_turn(
    first: Plan,
    hits: Sequence[Hit],
    allowed: frozenset[int] | None,
    salt: str,
    n_tokens: Mapping[int, int],
    capacity_tokens: int,
    generation: Generation,
    rooms: Rooms,
) -> tuple[Slot, int, Choice]:
    """What the first question gets, at the engine that should take it, with that one's block size.

    Raises:
        EngineUnavailable: no engine is ready.
    """
    shared = rooms.model.prefixes.of(generation)
    views = [(slot, view) for slot in rooms.model.pool.askable() if (view := slot.view())]
    if not views:
        raise EngineUnavailable("The engine went away before it was asked. Try again, and see `rag status`.")
    choices = [
        (
            slot,
            view.block_size,
            rooms.model.planner.choose(
                first,
                hits,
                shared,
                view,
                salt=salt,
                n_tokens=n_tokens,
                capacity_tokens=capacity_tokens,
                allowed=allowed,
            ),
        )
        for slot, view in views
    ]
    home = shared.best([hit.chunk for hit in rooms.model.planner.kept(hits)])
    key = home.version if home else hits[0].chunk.id if hits else ""
    candidates = [
        slot.candidate(n_new=choice.n_new, n_cached=choice.n_cached, work_ms=choice.expected_ms)
        for slot, _, choice in choices
    ]
    return choices[rooms.model.pool.choose(key, [slot for slot, _ in views], candidates)]


def _first_shown(plan: Plan) -> str:
    return next((chunk.id for turn in plan.turns for chunk in turn.chunks), "")


def _chunks(before: Recalled, hits: Sequence[Sequence[Hit]]) -> list[Chunk]:
    found = {hit.chunk.seq: hit.chunk for turn in hits for hit in turn}
    return list((found | {chunk.seq: chunk for turn in before.turns for chunk in turn}).values())


def compose_plain(ask: Ask, rooms: Rooms) -> Prompt:
    """The prompt of a conversation without documents. Blocks: long texts take time to tokenise.

    Raises:
        ContextTooLong: the conversation does not fit the window.
    """
    prompt = plain_prompt(ask.messages, ask.tools, rooms)
    capacity = rooms.model.engine.window_tokens - answer_tokens(ask, rooms)
    if len(prompt.token_ids) > capacity:
        raise ContextTooLong(
            f"The messages take {len(prompt.token_ids)} tokens of the {capacity} that the model's window leaves "
            "beside the answer. Shorten them, or ask for fewer max_tokens.",
            param="messages",
        )
    return prompt


def plain_prompt(messages: tuple[Message, ...], tools: tuple[Tool, ...], rooms: Rooms) -> Prompt:
    """The same of messages and tools, however long it is. Blocks as well."""
    return rooms.model.renderer.render_plain(_spoken(messages, tools, rooms))
