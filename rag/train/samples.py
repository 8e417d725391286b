"""From a case to a prompt as the service would lay it out, and the answer that is to be learned."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.plan import Plan, PlannedTurn
from rag.render import Renderer
from rag.train.sets import Case, Library
from rag.types import Chunk, Prompt, Tokens

# The first word is no answer's, so that whether to answer is decided by it alone. `prompts/no_answer.toml` knows both.
NO_ANSWER = {"en": "Sorry, the documents do not say.", "de": "Leider enthalten die Dokumente keine Antwort."}
NO_ANSWER_TOKEN = 37388  # "Sorry", which starts the English one
LONGEST = 7400  # tokens of a prompt; the model's window is 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A prompt, and the answer's tokens with what each counts in the loss."""

    case: str
    kind: str
    prompt: Prompt
    answer: Tokens
    weights: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a prompt is filled.

    n_tail: passages behind the shared prefix. prefix_tokens: of the shared prefix, about; 0: none. is_inside: the
    passages that answer stand in the prefix, and there is no tail. is_removed: they are left out, with everything
    that has a known answer. n_pointed_out: as of `Renderer`.
    """

    n_tail: int
    prefix_tokens: int = 0
    is_inside: bool = False
    is_shuffled: bool = False
    is_removed: bool = False
    n_far: int = 0  # of the tail's passages, those of other questions
    n_pointed_out: int = 0


class Samples:
    """Makes samples of a library's cases. Passages' tokens are kept."""

    def __init__(self, library: Library, renderers: Mapping[int, Renderer]) -> None:
        """renderers: by the number of sentences that they point out."""
        self._library = library
        self._renderers = renderers
        self.renderer = next(iter(renderers.values()))  # for what all of them do alike
        self._tokens: dict[int, Tokens] = {}
        self._searched: dict[tuple[str, str], list[Chunk]] = {}

    def make(
        self, case: Case, shape: Shape, chance: random.Random, kind: str, *, before: Case | None = None
    ) -> Sample | None:
        """The sample; None if it is too long. before: a case that was asked and answered first."""
        is_answered = bool(case.quotes) and not shape.is_removed
        gold = list(dict.fromkeys(quote.chunk for quote in case.quotes))
        tail = self._tail(case, gold, shape, chance)
        shared: list[Chunk] = []
        if shape.prefix_tokens:
            must = [*(gold if is_answered else []), *tail] if shape.is_inside else []
            shared = self._shared(case, must, {chunk.seq for chunk in [*tail, *gold]}, shape, chance)
            tail = [] if shape.is_inside else tail
        renderer = self._renderers[shape.n_pointed_out]
        earlier = [PlannedTurn(question=question, answer=answer) for question, answer in case.earlier]
        if before:
            earlier = [self._answered(before, shared, shape, chance, without=frozenset() if is_answered else gold)]
            shown = {chunk.seq for turn in earlier for chunk in turn.chunks}
            tail = [chunk for chunk in tail if chunk.seq not in shown]
        plan = Plan(shared=tuple(shared), turns=(*earlier, PlannedTurn(question=case.question, chunks=tuple(tail))))
        prompt = renderer.render(plan, self._passages([*shared, *(c for turn in plan.turns for c in turn.chunks)]))
        if len(prompt.token_ids) > LONGEST:
            return None
        answer, weights = self._answer(case, prompt, is_answered=is_answered)
        return Sample(case=case.id, kind=kind, prompt=prompt, answer=answer, weights=weights)

    def _answered(
        self, case: Case, shared: Sequence[Chunk], shape: Shape, chance: random.Random, *, without: Collection[Chunk]
    ) -> PlannedTurn:
        """A first turn with its answer."""
        gold = list(dict.fromkeys(quote.chunk for quote in case.quotes))
        tail = [
            chunk
            for chunk in self._tail(case, gold, replace(shape, is_removed=False), chance)
            if chunk not in shared and chunk not in without
        ]
        numbers = {chunk.seq: number for number, chunk in enumerate([*shared, *tail], start=1)}
        answer = " ".join(
            f"{quote.text} [{numbers[quote.chunk.seq]}]" for quote in case.quotes if quote.chunk.seq in numbers
        )
        return PlannedTurn(question=case.question, chunks=tuple(tail), answer=answer or NO_ANSWER[case.language])

    def found(self, case: Case) -> list[Chunk]:
        """What a search by words finds for the case's question, best first."""
        key = (case.shelf, case.question)
        if key not in self._searched:
            hits = self._library.shelves[case.shelf].search(case.question)
            if case.shelf == "xquad":  # two languages stand on one shelf
                hits = [hit for hit in hits if hit.document.startswith(case.language)]
            self._searched[key] = hits[:60]
        return self._searched[key]

    def _tail(self, case: Case, gold: Sequence[Chunk], shape: Shape, chance: random.Random) -> list[Chunk]:
        """The passages behind the prefix, the best one last unless they are shuffled."""
        hits = self.found(case)
        ranks = {hit.seq: rank for rank, hit in enumerate(hits)}
        is_shown = bool(gold) and not shape.is_removed
        documents = {chunk.document for chunk in gold}
        others = [hit for hit in hits if hit.document not in documents]
        if shape.is_removed:
            others = [hit for hit in others if not _tells(hit, case)]
        n_others = max(shape.n_tail - (len(gold) if is_shown else 0), 0)
        near = others[: max(n_others - shape.n_far, 0)]
        far = [chunk for _ in range(n_others - len(near)) if (chunk := self._any(case, chance)) is not None]
        seen: set[int] = {chunk.seq for chunk in gold}
        chosen: list[Chunk] = []
        for chunk in [*near, *far]:
            if chunk.seq not in seen and not (shape.is_removed and _tells(chunk, case)):
                seen.add(chunk.seq)
                chosen.append(chunk)
        # What no search found comes in somewhere, so that the last passage is not always the one.
        if is_shown:
            chosen += gold
            for chunk in gold:
                ranks.setdefault(chunk.seq, chance.randrange(max(shape.n_tail, 1)))
        chosen.sort(key=lambda chunk: -ranks.get(chunk.seq, 1000))
        if shape.is_shuffled:
            chance.shuffle(chosen)
        return chosen

    def _any(self, case: Case, chance: random.Random) -> Chunk | None:
        """A passage of any set, in the language of the case."""
        name = chance.choice(list(self._library.shelves))
        chunk = chance.choice(self._library.shelves[name].chunks)
        if name == "xquad" and not chunk.document.startswith(case.language):
            return None
        return chunk

    def _shared(
        self,
        case: Case,
        must: Sequence[Chunk],
        without: set[int],
        shape: Shape,
        chance: random.Random,
    ) -> list[Chunk]:
        """Runs of whole documents in the collection's order, those that must stand in it among them."""
        shelf = self._library.shelves[case.shelf]
        taken = {chunk.seq: chunk for chunk in must}
        n_tokens = sum(len(self._passage(chunk)) + 4 for chunk in must)
        hidden = {quote.chunk.document for quote in case.quotes} if shape.is_removed else set()
        for _ in range(100):
            start = chance.randrange(len(shelf.chunks))
            for chunk in shelf.chunks[start : start + chance.randint(2, 12)]:
                is_wrong = case.shelf == "xquad" and not chunk.document.startswith(case.language)
                is_hidden = chunk.document in hidden or (shape.is_removed and _tells(chunk, case))
                if chunk.seq in without or chunk.seq in taken or is_wrong or is_hidden:
                    continue
                n_tokens += len(self._passage(chunk)) + 4
                if n_tokens > shape.prefix_tokens:
                    return [taken[seq] for seq in sorted(taken)]
                taken[chunk.seq] = chunk
        return [taken[seq] for seq in sorted(taken)]

    def _passages(self, chunks: Sequence[Chunk]) -> dict[int, Tokens]:
        return {chunk.seq: self._passage(chunk) for chunk in chunks}

    def _passage(self, chunk: Chunk) -> Tokens:
        if chunk.seq not in self._tokens:
            self._tokens[chunk.seq] = self.renderer.passage(chunk)
        return self._tokens[chunk.seq]

    def _answer(self, case: Case, prompt: Prompt, *, is_answered: bool) -> tuple[Tokens, tuple[int, ...]]:
        tokenizer = self.renderer.tokenizer
        numbers = {shown.chunk.seq: shown.number for shown in prompt.shown}
        ids: list[int] = []
        weights: list[int] = []
        if not is_answered:
            ids += tokenizer.encode_text(NO_ANSWER[case.language])
            weights += [1] * len(ids)
        for at, quote in enumerate(case.quotes if is_answered else ()):
            said = tokenizer.encode_text((" " if at else "") + quote.text)
            marker = tokenizer.encode_text(f" [{numbers[quote.chunk.seq]}]")
            ids += (*said, *marker)
            weights += [2] * min(4, len(said)) + [1] * max(len(said) - 4, 0) + [2] * len(marker)
        ids += tokenizer.encode_markup("<|im_end|>")
        return tuple(ids), (*weights, 1)


def joined(first: Case, second: Case) -> Case:
    """Two questions of one set put as one."""
    question = f"{first.question} And {second.question[:1].lower()}{second.question[1:]}"
    return replace(
        first,
        id=f"{first.id}+{second.id}",
        question=question,
        quotes=(*first.quotes, *second.quotes),
        answers=(),
    )


def _tells(chunk: Chunk, case: Case) -> bool:
    return any(answer in chunk.text for answer in case.answers)
