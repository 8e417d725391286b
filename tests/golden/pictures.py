"""The pictures of docs/reuse.md, drawn from the measured figures in docs/img/reuse.json as SVG, without a library."""

import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

IMAGES = Path(__file__).parents[2] / "docs" / "img"
COMPUTED, CACHED, WHISKER = "#c2410c", "#94a3b8", "#1e293b"
LEFT, WIDTH, ROW, BAR = 170, 560, 24, 15  # pixels


def figures() -> dict:
    """What was measured: the questions of `make demo`, and the tables of the live comparison."""
    return json.loads((IMAGES / "reuse.json").read_text("utf-8"))


def demo() -> str:
    """Three questions in a row: tokens of each prompt that the engine held, and those that it computed."""
    questions = figures()["demo"]
    rows = [
        (
            f"question {number}",
            [(one["cached"], CACHED), (one["prompt"] - one["cached"], COMPUTED)],
            None,
            f"{one['prompt'] - one['cached']} of {one['prompt']} computed, first token {one['first_token_ms']} ms",
        )
        for number, one in enumerate(questions, 1)
    ]
    return _picture("Tokens of three prompts in a row: grey were held, orange computed", [("make demo", rows)])


def tokens() -> str:
    """By workload and arm: tokens of a prompt that were held, and those that were computed, the mean of each."""
    groups = [
        (
            table["workload"],
            [
                (
                    one["arm"],
                    [(one["prompt"] - one["uncached"], CACHED), (one["uncached"], COMPUTED)],
                    None,
                    f"{one['uncached']} of {one['prompt']} computed",
                )
                for one in table["arms"]
            ],
        )
        for table in _h100()
    ]
    return _picture("Tokens of a prompt, the mean: grey were held, orange computed", groups)


def first_tokens() -> str:
    """By workload and arm: milliseconds to the first token, the median as a bar, the 95th percentile as a line."""
    groups = [
        (
            table["workload"],
            [
                (one["arm"], [(one["p50_ms"], COMPUTED)], one["p95_ms"], f"{one['p50_ms']} ms, p95 {one['p95_ms']} ms")
                for one in table["arms"]
            ],
        )
        for table in _h100()
    ]
    return _picture(
        "Milliseconds to the first token: the bar is the median, the line ends at the 95th percentile", groups
    )


PICTURES = {"reuse-demo.svg": demo, "reuse-tokens.svg": tokens, "reuse-first-token.svg": first_tokens}


def _h100() -> list[dict]:
    return [table for table in figures()["live"] if "H100" in table["section"]]


Row = tuple[str, Sequence[tuple[float, str]], float | None, str]  # label, parts by colour, end of the line, words


def _picture(title: str, groups: Sequence[tuple[str, Sequence[Row]]]) -> str:
    """Horizontal bars on one scale, in groups."""
    most = max(max(sum(value for value, _ in parts), line or 0) for _, rows in groups for _, parts, line, _ in rows)
    scale = WIDTH / most
    body, y = [], 30
    for name, rows in groups:
        y += ROW
        body.append(_text(0, y - 7, name, weight="bold"))
        for label, parts, line, words in rows:
            body += [_text(LEFT - 8, y + 12, label, anchor="end"), *_bar(y, parts, line, scale)]
            end = max(sum(value for value, _ in parts), line or 0) * scale
            body.append(_text(LEFT + end + 8, y + 12, words))
            y += ROW
        y += 6
    width = LEFT + WIDTH + 330
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" height="{y}" role="img" '
        f'font-family="sans-serif" font-size="13"><title>{escape(title)}</title><rect width="100%" height="100%" '
        f'fill="#fff"/>'
    )
    return "\n".join([head, _text(0, 18, title, weight="bold"), *body, "</svg>"]) + "\n"


def _bar(y: float, parts: Sequence[tuple[float, str]], line: float | None, scale: float) -> Iterable[str]:
    x = float(LEFT)
    for value, colour in parts:
        yield f'<rect x="{x:.1f}" y="{y}" width="{value * scale:.1f}" height="{BAR}" fill="{colour}"/>'
        x += value * scale
    if line is not None:
        end, middle = LEFT + line * scale, y + BAR / 2
        yield f'<path d="M{x:.1f} {middle}H{end:.1f}M{end:.1f} {y + 3}v9" stroke="{WHISKER}" fill="none"/>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal") -> str:
    shown = f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" fill="{WHISKER}">'
    return f"{shown}{escape(words)}</text>"
