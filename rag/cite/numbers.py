"""Numbers and dates of a text in one spelling, so that equal ones are equal."""
# ruff: noqa: RUF001 - characters that look like ASCII ones are what this is about

from decimal import Decimal

import regex

from rag.cite.tokens import Kind, Token, spelled_word
from rag.cite.vocabulary import MONTHS, SCALES, SPELLED, UNITS

MONTH = "month"  # the unit of a month's number
_THOUSANDS = regex.compile(r"\d{1,3}(?:(?:,\d{3})+(?:\.\d+)?|(?:\.\d{3}){2,}(?:,\d+)?|\.\d{3},\d+)")
_SEPARATORS = str.maketrans({"٫": ".", "٬": ",", **dict.fromkeys("\u00a0\u2009\u202f'’ʼ‘´")})
_DAY_FIRST = regex.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")  # 19.06.2009, which reads as one number
_AFTER = regex.compile(r"\s?([%٪％]|°\s?[CF]|[€$£])")
_BEFORE = regex.compile(r"[€$£]\s?$|百分之$")
_AFTER_HAN = {"年": "", "月": MONTH, "日": "", "号": ""}
_HAN_DIGITS = {char: value for value, char in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2, "兩": 2}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
_HAN_SCALES = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_HAN = frozenset([*_HAN_DIGITS, *_HAN_UNITS, *_HAN_SCALES])
_TENS = frozenset(map(str, range(20, 100, 10)))


def with_numbers(text: str, tokens: list[Token]) -> list[Token]:
    """`tokens` of `text`, numbers by their value and with their unit, months by their number, dates in parts."""
    result: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind is Kind.NUMBER:
            at = _take_number(text, tokens, at, result)
        elif token.key in _HAN and token.kind is Kind.CHAR:
            at = _take_han(tokens, at, result)
        else:
            result.append(_named(text, tokens, at, token))
            at += 1
            _add_up(text, result)
    return result


def _take_number(text: str, tokens: list[Token], at: int, result: list[Token]) -> int:
    token = tokens[at]
    digits = _ascii(token.key)
    if date := _DAY_FIRST.fullmatch(digits):
        day, month, year = date.groups()
        if int(month) <= 12:
            units = ("", MONTH, "")
            result += [
                Token(value(part), token.start, token.end, Kind.NUMBER, unit=unit)
                for part, unit in zip((day, month, year), units, strict=True)
            ]
            return at + 1
    number, end = value(digits), token.end
    while at + 1 < len(tokens) and (scale := _scale(text, tokens[at + 1])) and tokens[at + 1].start - end <= 1:
        if number.count(".") > 1:
            break
        number, end, at = plain_decimal(Decimal(number) * scale), tokens[at + 1].end, at + 1
    result.append(Token(number, token.start, end, Kind.NUMBER, unit=_unit(text, tokens, at, token.start, end)))
    return at + 1


def _take_han(tokens: list[Token], at: int, result: list[Token]) -> int:
    end = at
    while end < len(tokens) and tokens[end].kind is Kind.CHAR and tokens[end].key in _HAN:
        if end > at and tokens[end].start != tokens[end - 1].end:
            break
        end += 1
    chars = "".join(token.key for token in tokens[at:end])
    number = _han_value(chars)
    following = tokens[end].key if end < len(tokens) and tokens[end].kind is Kind.CHAR else ""
    if number is None or (len(chars) == 1 and following not in _AFTER_HAN):  # 一 is in many words
        result.append(tokens[at])
        return at + 1
    unit = _AFTER_HAN.get(following, "")
    result.append(Token(str(number), tokens[at].start, tokens[end - 1].end, Kind.SPELLED, unit=unit))
    return end


def _han_value(chars: str) -> int | None:
    if not any(char in _HAN_UNITS or char in _HAN_SCALES for char in chars):
        return int("".join(str(_HAN_DIGITS[char]) for char in chars))
    total = section = digit = 0
    for char in chars:
        if char in _HAN_DIGITS:
            digit = _HAN_DIGITS[char]
        elif char in _HAN_UNITS:
            section += (digit or 1) * _HAN_UNITS[char]
            digit = 0
        else:
            if not section + digit:
                return None
            total += (section + digit) * _HAN_SCALES[char]
            section = digit = 0
    return total + section + digit


def _named(text: str, tokens: list[Token], at: int, token: Token) -> Token:
    """A month or a number in words as what it counts; any other token as it is."""
    if token.kind not in {Kind.WORD, Kind.STOP}:
        return token
    word = spelled_word(text[token.start : token.end])
    if word in SPELLED:
        unit = _unit(text, tokens, at, token.start, token.end)
        return token._replace(key=str(SPELLED[word]), kind=Kind.SPELLED, unit=unit)
    if word in MONTHS and any(
        0 <= near < len(tokens) and tokens[near].kind is Kind.NUMBER for near in (at - 1, at + 1)
    ):
        return token._replace(key=str(MONTHS[word]), kind=Kind.NUMBER, unit=MONTH)
    return token


def _add_up(text: str, result: list[Token]) -> None:
    """Nothing; twenty one became 21, and five hundred 500."""
    last = result[-1]
    if len(result) < 2 or result[-2].kind is not Kind.SPELLED:
        return
    before = result[-2]
    if text[before.end : last.start].strip() not in {"", "-"} or last.start - before.end > 3:
        return
    if last.kind is Kind.SPELLED and before.key in _TENS and len(last.key) == 1 and last.key != "0":
        result[-2:] = [last._replace(key=str(int(before.key) + int(last.key)), start=before.start)]
    elif last.kind is Kind.WORD and (scale := _scale(text, last)):
        key = plain_decimal(Decimal(before.key) * scale)
        result[-2:] = [last._replace(key=key, start=before.start, kind=Kind.SPELLED)]


def _scale(text: str, token: Token) -> Decimal | None:
    return SCALES.get(spelled_word(text[token.start : token.end])) if token.kind in {Kind.WORD, Kind.CHAR} else None


def _unit(text: str, tokens: list[Token], at: int, start: int, end: int) -> str:
    if found := _AFTER.match(text, end):
        sign = found[1].replace(" ", "").casefold()
        return "%" if sign in "%٪％" else UNITS.get(sign, sign)
    if found := _BEFORE.search(text, max(0, start - 3), start):
        return "%" if found[0].startswith("百") else str(found[0]).strip()
    if at + 1 >= len(tokens) or tokens[at + 1].start - end > 3:
        return ""
    following = text[tokens[at + 1].start : tokens[at + 1].end]
    if following in _AFTER_HAN:
        return _AFTER_HAN[following]
    word = spelled_word(following)
    if word == "per" and at + 2 < len(tokens) and text[tokens[at + 2].start : tokens[at + 2].end].casefold() == "cent":
        return "%"
    return "" if word == "in" else UNITS.get(word, "")


def _ascii(digits: str) -> str:
    return "".join(str(int(char)) if char.isdecimal() else char for char in digits.translate(_SEPARATORS))


def value(digits: str) -> str:
    """1,200 and 01200 as 1200; 3,50 as 3.5."""
    if _THOUSANDS.fullmatch(digits):
        comma, point = digits.rfind(","), digits.rfind(".")
        thousands = "," if (point > comma and digits.count(".") == 1) or point < 0 else "."
        digits = digits.replace(thousands, "")
    digits = digits.replace(",", ".")
    if digits.count(".") == 1:
        digits = digits.rstrip("0").rstrip(".")
    stripped = digits.lstrip("0")
    return stripped if stripped and stripped[0] != "." else f"0{stripped}"


def plain_decimal(number: Decimal) -> str:
    """The shortest spelling without an exponent."""
    return value(format(number, "f"))
