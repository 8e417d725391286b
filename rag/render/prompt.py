"""A plan as token ids: stored token arrays, joined."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from rag.plan import Plan
from rag.render.parts import Parts
from rag.render.pointing import pointed_out
from rag.render.spoken import split_tags
from rag.render.template import ChatTemplate
from rag.render.tokenizer import ChatTokenizer
from rag.types import Chunk, Message, Placed, Prompt, Role, Segment, Shown, Tokens

_LONGEST = 999  # a label of three digits is the longest usual
_POINTER_TOKENS = 120  # that a sentence which is pointed out may take with its label


class Renderer:
    """Makes prompts of five parts: system text, shared prefix, earlier turns, tail, question.

    Nothing that varies by user, time or request stands before the earlier turns, and a turn's tokens depend on
    nothing behind it: two consecutive turns of a conversation extend one prefix.
    """

    def __init__(
        self, tokenizer: ChatTokenizer, template: ChatTemplate, parts: Parts, *, n_pointed_out: int = 0
    ) -> None:
        """Join a model's tokenizer and template with the words of a layout.

        n_pointed_out: sentences of the passages that are repeated behind each question, for small models.
        """
        self.tokenizer = tokenizer
        self.parts = parts
        self._template = template
        self._n_pointed_out = n_pointed_out
        self._encode = lru_cache(maxsize=4096)(self._encoded)
        self.label = lru_cache(maxsize=4096)(self._label)

    def passage(self, chunk: Chunk) -> Tokens:
        """The stored token array of a chunk: its text as the model reads it, without a label."""
        return self.tokenizer.encode_text(self.parts.passage(chunk))

    def _encoded(self, text: str) -> Tokens:
        """Ids of what somebody said. Only tags that `spoken` put in are markup."""
        ids: list[int] = []
        for part, tag in split_tags(text):
            ids += self.tokenizer.encode_text(part)
            ids += self.tokenizer.encode_markup(tag)
        return tuple(ids)

    def _label(self, number: int) -> Tokens:
        """The token array that stands before passage `number`."""
        return self.tokenizer.encode_text(self.parts.label(number))

    def cost(self, passage: Tokens, *, number: int = _LONGEST) -> int:
        """Prompt tokens that showing a passage takes, its label included.

        number: under which it is shown; unset: not known before the prompt is planned.
        """
        return len(passage) + len(self.label(min(number, _LONGEST)))

    def render(self, plan: Plan, passages: Mapping[int, Tokens]) -> Prompt:
        """The prompt of a plan. `passages` has the stored array of every chunk in it, by seq."""
        writer = _Writer(self, passages)
        opening = self._opening()
        roles = (*(message.role for message in opening), *_roles(plan))
        markup = iter(self._template.pieces(roles))
        self._open(writer, opening, markup)
        writer.show("shared_prefix", plan.shared, Placed.PREFIX)
        last = len(plan.turns) - 1
        for index, turn in enumerate(plan.turns):
            is_now = index == last
            if index == 0 and plan.application and not plan.application_last:
                # It belongs to the conversation: it stays where it is for as long as that lasts.
                writer.add("history", self._encode(self.parts.application(plan.application)))
            writer.show("tail" if is_now else "history", turn.chunks, Placed.TAIL if is_now else Placed.HISTORY)
            if is_now and plan.application and plan.application_last:
                writer.add("question", self._encode(self.parts.application(plan.application)))
            asked = "question" if is_now else "history"
            if turn.results:
                writer.add(asked, self._encode(self.parts.results(turn.results)))
            if turn.question or not turn.results:
                writer.add(asked, self._encode(self.parts.question(turn.question)))
                writer.add(asked, self._pointers(turn.question, writer.shown))
            if not is_now:
                # The last answer is new to the engine as a prompt: all before it was one.
                answered = "answer" if index == last - 1 else "history"
                writer.add("history", next(markup))
                writer.add(answered, self._encode(turn.answer or ""))
                writer.add(answered, next(markup))
        writer.add("question", next(markup))
        return writer.prompt(self.parts.layout)

    def _pointers(self, question: str, shown: Sequence[Shown]) -> Tokens:
        """The sentences that are pointed out to the model; nothing where none has words of the question."""
        found = pointed_out(question, [each.chunk.text for each in shown], self._n_pointed_out)
        if not found:
            return ()
        # A document's words, as in `passage`: what stands for markup in what is said must stand for none in them.
        pointers = self.parts.pointers([(shown[index].number, text) for index, text in found])
        tokens = self.tokenizer.encode_text(pointers)
        return tokens if len(tokens) <= self._pointer_tokens else ()

    @property
    def _pointer_tokens(self) -> int:
        """What pointing out may cost in one turn."""
        return self._n_pointed_out * _POINTER_TOKENS

    def opening(self, shared: tuple[Chunk, ...], passages: Mapping[int, Tokens]) -> Tokens:
        """All tokens that stand before a conversation: the system text and the shared prefix."""
        writer = _Writer(self, passages)
        opening = self._opening()
        # The markup before a message depends on nothing behind it, so any question will do.
        markup = iter(self._template.pieces((*(message.role for message in opening), "user")))
        self._open(writer, opening, markup)
        writer.show("shared_prefix", shared, Placed.PREFIX)
        return tuple(writer.token_ids)

    def _open(self, writer: "_Writer", opening: tuple[Message, ...], markup: Iterator[Tokens]) -> None:
        for message in opening:
            writer.add("system", next(markup))
            writer.add("system", self._encode(message.content))
        writer.add("system", next(markup))

    def render_plain(self, messages: tuple[Message, ...]) -> Prompt:
        """The prompt of a dialogue as it stands: no documents, no instructions of ours."""
        writer = _Writer(self, {})
        messages = _fold_results(messages)
        if not self._template.system_role:
            messages = _fold_system(messages)
        *before, after = self._template.pieces(tuple(message.role for message in messages))
        for markup, message in zip(before, messages, strict=True):
            writer.add("question", markup)
            writer.add("question", self._encode(message.content))
        writer.add("question", after)
        return writer.prompt(self.parts.layout)

    def fixed_tokens(self, plan: Plan) -> int:
        """Tokens of all that cannot be left out of `plan`: everything but passages."""
        bare = Plan(
            application=plan.application,
            application_last=plan.application_last,
            turns=tuple(replace(turn, chunks=()) for turn in plan.turns),
        )
        return len(self.render(bare, {}).token_ids) + len(plan.turns) * self._pointer_tokens

    def _opening(self) -> tuple[Message, ...]:
        return self._folded if not self._template.system_role else self._with_system

    @property
    def _with_system(self) -> tuple[Message, ...]:
        parts = self.parts
        return (
            Message("system", parts.system),
            Message("user", parts.example_question),
            Message("assistant", parts.example_answer),
        )

    @property
    def _folded(self) -> tuple[Message, ...]:
        return _fold_system(self._with_system)


@dataclass(slots=True)
class _Writer:
    """A prompt under way."""

    renderer: Renderer
    passages: Mapping[int, Tokens]
    token_ids: list[int] = field(default_factory=list)
    segments: dict[str, int] = field(default_factory=dict)
    shown: list[Shown] = field(default_factory=list)

    def add(self, segment: str, tokens: Tokens) -> None:
        self.token_ids.extend(tokens)
        self.segments[segment] = self.segments.get(segment, 0) + len(tokens)

    def show(self, segment: str, chunks: tuple[Chunk, ...], placed: Placed) -> None:
        for chunk in chunks:
            number = len(self.shown) + 1
            label, passage = self.renderer.label(number), self.passages[chunk.seq]
            self.add(segment, label)
            self.add(segment, passage)
            self.shown.append(Shown(number=number, chunk=chunk, placed=placed, n_tokens=len(label) + len(passage)))

    def prompt(self, layout: str) -> Prompt:
        return Prompt(
            token_ids=tuple(self.token_ids),
            segments=tuple(Segment(name=name, n_tokens=count) for name, count in self.segments.items()),
            shown=tuple(self.shown),
            layout=layout,
        )


def _roles(plan: Plan) -> tuple[Role, ...]:
    roles: list[Role] = []
    for turn in plan.turns:
        roles.append("user")
        if turn.answer is not None:
            roles.append("assistant")
    return tuple(roles)


def _fold_system(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The dialogue with its system messages put before the first user message's text."""
    system = [message.content for message in messages if message.role == "system"]
    rest = [message for message in messages if message.role != "system"]
    for index, message in enumerate(rest):
        if system and message.role == "user":
            rest[index] = Message("user", "\n\n".join([*system, message.content]))
            break
    return tuple(rest)


def _fold_results(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The dialogue with tools' results as the user's words, together with what the user says next."""
    folded: list[Message] = []
    is_open = False  # the last message is of results
    for message in messages:
        if message.role == "tool" or (is_open and message.role == "user"):
            before = f"{folded.pop().content}\n" if is_open else ""
            folded.append(Message("user", before + message.content))
            is_open = message.role == "tool"
        else:
            folded.append(message)
            is_open = False
    return tuple(folded)
