"""Numbers, dates, names and negations in which a statement and its source differ, however alike they are."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from rapidfuzz.distance import Levenshtein, Opcode

from rag.cite.align.source import Sentence, Source, is_code
from rag.cite.tokens import NOT_KEY, Kind, Token
from rag.cite.words import Words

_MIN_LITERAL = 0.6  # share of a statement's tokens in the source's order, for what differs to stand in one place
_MOST_REPLACED, _MOST_CHARS = 5, 24
_REACH = 3  # tokens from a negation to what it denies
_CALM = frozenset(("only", "just", "nur", "bloß"))  # not only: nothing is denied


def differing(words: Words, shared: Mapping[str, str], evidence: Sequence[Sentence], source: Source) -> frozenset[str]:
    """The keys of the statement's facts that the source says otherwise or not at all. `NOT_KEY`: a negation."""
    told = [token for sentence in evidence for token in sentence.tokens]
    numbers = [token for token in (*told, *source.title.tokens) if token.kind in {Kind.NUMBER, Kind.SPELLED}]
    missing = _numbers(words.tokens, numbers) | _codes(words.tokens, shared)
    names = _names(words.tokens)
    strange = {name.key for name in names if name.key not in shared}
    if not _is_german(words.tokens):  # else every noun is capital, and only a literal context tells
        missing |= strange
    told_keys = {token.key for token in (*told, *source.title.tokens)}
    open_names = {shared.get(name.key, name.key) for name in names} - told_keys
    said = _sequence(words.tokens, shared)
    there = _sequence(told, {})
    edits = Levenshtein.opcodes([token.key for token in said], [token.key for token in there])
    equal = {
        i: j
        for edit in edits
        if edit.tag == "equal"
        for i, j in zip(range(edit.src_start, edit.src_end), range(edit.dest_start, edit.dest_end), strict=True)
    }
    if len(equal) >= _MIN_LITERAL * len(said):
        missing |= strange
        for start, end, from_there, to_there in _exchanged(said, edits):
            missing |= _replaced(said[start:end], there[from_there:to_there], lambda token: token.key in open_names)
    if _is_denied(said, there, equal):
        missing |= {NOT_KEY}
    return frozenset(missing)


def is_denied_before(source: Source, start: int) -> bool:
    """Whether the words just before `start`, in the same sentence, deny what follows."""
    for sentence in source.sentences:
        if sentence.start < start < sentence.end:
            before = [token for token in sentence.tokens if token.end <= start and token.kind is not Kind.STOP]
            near = before[-1:]
            return any(token.kind is Kind.NOT for token in near) and not any(
                mark in source.text[near[0].end : start] for mark in ",;:.()"
            )
    return False


def _numbers(said: Sequence[Token], told: Sequence[Token]) -> set[str]:
    values = {token.key for token in said}
    is_other_told = any(token.key not in values for token in told)
    return {
        token.key
        for token in said
        if token.kind is Kind.NUMBER or (token.kind is Kind.SPELLED and token.key != "1" and is_other_told)
        if not any(token.key == other.key and _same_unit(token.unit, other.unit) for other in told)
    }


def _same_unit(one: str, other: str) -> bool:
    return not one or not other or one == other


def _codes(said: Sequence[Token], shared: Mapping[str, str]) -> set[str]:
    return {token.key for token in said if token.kind is Kind.WORD and token.key not in shared and is_code(token.key)}


def _names(said: Sequence[Token]) -> list[Token]:
    """Capitalised words; the first one only if another follows, since it may be capital without being a name."""
    return [
        token
        for at, token in enumerate(said)
        if token.kind is Kind.WORD and token.is_capital and (at or _is_capital_word(said[1:2]))
    ]


def _is_capital_word(tokens: Sequence[Token]) -> bool:
    return any(token.is_capital and token.kind is Kind.WORD for token in tokens)


def _exchanged(said: Sequence[Token], edits: Iterable[Opcode]) -> list[tuple[int, int, int, int]]:
    """Runs of the statement with what the source has in their place.

    A single character that both have by chance does not part a run.
    """
    runs: list[tuple[int, int, int, int]] = []
    is_open = False
    for edit in edits:
        span = (edit.src_start, edit.src_end, edit.dest_start, edit.dest_end)
        if edit.tag == "equal":
            is_chance = span[1] - span[0] == 1 and said[span[0]].kind is Kind.CHAR
            if not (is_open and is_chance):
                is_open = False
                continue
        if is_open:
            runs[-1] = (runs[-1][0], span[1], runs[-1][2], span[3])
        else:
            runs.append(span)
            is_open = True
    return [run for run in runs if run[0] < run[1] and run[2] < run[3]]


def _replaced(said: Sequence[Token], there: Sequence[Token], is_name: Callable[[Token], bool]) -> set[str]:
    """The facts of a statement in whose place the source has others."""
    most = _MOST_CHARS if any(token.kind is Kind.CHAR for token in said) else _MOST_REPLACED
    if len(said) > most or len(there) > most:
        return set()
    has_number = any(token.kind in {Kind.NUMBER, Kind.SPELLED} for token in there)
    has_name = any(token.kind is Kind.WORD and token.is_capital for token in there)
    missing = {
        token.key
        for token in said
        if (token.kind is Kind.NUMBER and has_number)
        or (token.kind is Kind.WORD and has_name and is_name(token))
        or (token.kind in {Kind.CHAR, Kind.WORD} and _is_caseless(token.key))
    }
    if missing and all(token.kind is Kind.CHAR for token in said):
        n_same = len({token.key for token in said} & {token.key for token in there})
        return missing if len(said) > 1 and len(said) + len(there) > 3 and 2 * n_same < len(said) else set()
    return missing


def _is_denied(said: Sequence[Token], there: Sequence[Token], equal: Mapping[int, int]) -> bool:
    back = {j: i for i, j in equal.items()}
    return _denies(said, there, equal) or _denies(there, said, back)


def _denies(one: Sequence[Token], other: Sequence[Token], to_other: Mapping[int, int]) -> bool:
    """Whether `one` denies something that stands in `other`, too, and is not denied there."""
    for at, token in enumerate(one):
        if token.kind is not Kind.NOT or at in to_other:
            continue
        after = list(range(at + 1, min(at + _REACH, len(one))))
        before = list(range(max(at - _REACH + 1, 0), at))
        near = [to_other[n] for n in after if n in to_other]
        if len(near) < min(len(after), 2):
            near = [] if after else [to_other[n] for n in before if n in to_other]
        if near and not any(
            other[j].kind is Kind.NOT for n in near for j in range(max(n - _REACH, 0), min(n + _REACH + 1, len(other)))
        ):
            return True
    return False


def _sequence(tokens: Sequence[Token], shared: Mapping[str, str]) -> list[Token]:
    """The tokens that say something, the source's keys for the statement's."""
    found = []
    for at, token in enumerate(tokens):
        if token.kind is Kind.NOT and at + 1 < len(tokens) and tokens[at + 1].key in _CALM:
            continue
        if token.kind is not Kind.STOP:
            found.append(token._replace(key=shared.get(token.key, token.key)))
    return found


_GERMAN = frozenset(
    [
        "der",
        "die",
        "das",
        "und",
        "ist",
        "ein",
        "eine",
        "nicht",
        "mit",
        "von",
        "den",
        "des",
        "im",
        "für",
        "auf",
        "wurde",
        "dem",
        "zu",
        "zur",
    ]
)
_OTHER = frozenset(["the", "of", "and", "to", "in", "is", "was", "a", "that", "it", "by", "for"]) - _GERMAN


def _is_german(tokens: Sequence[Token]) -> bool:
    """Whether every noun is capital."""
    keys = [token.key for token in tokens if token.kind is Kind.STOP]
    return sum(key in _GERMAN for key in keys) > sum(key in _OTHER for key in keys)


def _is_caseless(key: str) -> bool:
    return key[0].isalpha() and key[0].upper() == key[0].lower()
