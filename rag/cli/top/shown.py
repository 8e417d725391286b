"""A picture as a line, or as tables of a terminal."""

from typing import TYPE_CHECKING

from rag.cli.output import printable, table
from rag.cli.top.picture import Picture

if TYPE_CHECKING:
    from rich.console import RenderableType

_BAD = {"down": "red", "unavailable": "red", "starting": "yellow", "draining": "yellow", "ready": "green"}


def as_line(picture: Picture) -> str:
    """The picture for a log."""
    n_ready = sum(each.state == "ready" for each in picture.engines)
    return (
        f"{picture.at} {picture.state}, {picture.requests_per_s:.1f} requests/s, {picture.running} running, "
        f"{picture.queued} queued, first token {_seconds(picture.first_token_p50_s)} (p95 "
        f"{_seconds(picture.first_token_p95_s)}), {_share(picture.hit_ratio)} reused "
        f"({picture.cached_tokens_per_s:.0f} tokens/s), {sum(picture.shed.values())} shed, "
        f"{n_ready} of {len(picture.engines)} engines ready"
    )


def as_tables(picture: Picture, where: str, trouble: str = "", *, width: int) -> "RenderableType":
    """The picture for a terminal of so many columns. trouble: what is wrong since it was taken."""
    from rich.console import Group
    from rich.text import Text

    head = Text.assemble(
        (f"prefixrag at {where}  ", "bold"),
        (picture.state, _BAD.get(picture.state, "")),
        (f"  {picture.at}, of the last {picture.seconds:.0f} s; Ctrl-C ends", "dim"),
    )
    shed = ", ".join(f"{count} {reason}" for reason, count in picture.shed.items() if count) or "0"
    numbers = table(
        ("requests/s", "errors/s", "running", "queued", "first token p50", "p95", "reused", "tokens reused/s", "shed"),
        [
            (
                f"{picture.requests_per_s:.1f}",
                f"{picture.errors_per_s:.1f}",
                picture.running,
                picture.queued,
                _seconds(picture.first_token_p50_s),
                _seconds(picture.first_token_p95_s),
                _share(picture.hit_ratio),
                f"{picture.cached_tokens_per_s:,.0f}",
                shed,
            )
        ],
        width=width,
    )
    ever = Text(
        f"since it started: {_share(picture.hit_ratio_ever)} reused, {picture.cached_tokens_ever:,} tokens; "
        f"{picture.shed_ever} shed",
        style="dim",
    )
    engines = table(
        ("engine", "state", "running", "KV in use", "hits", "restarts"),
        [
            (e.url, Text(e.state, _BAD.get(e.state, "")), e.running, _share(e.kv_used), _share(e.hit_ratio), e.restarts)
            for e in picture.engines
        ],
        width=width,
    )
    collections = table(
        ("collection", "documents", "prompt tokens", "reused", "misses since it started"),
        [
            (
                each.name or "(bare model)",
                each.documents,
                f"{each.prompt_tokens:,}",
                _share(each.hit_ratio),
                ", ".join(f"{count} {reason}" for reason, count in each.misses.items()),
            )
            for each in picture.collections
        ],
        width=width,
    )
    below = [Text(printable(trouble), style="red")] if trouble else []
    return Group(head, "", numbers, ever, "", engines, "", collections, *below)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
