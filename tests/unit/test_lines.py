"""Progress as lines: when there is one, and what it says."""

import io
import json
import threading

import pytest

from ingest.lines import Lines, json_lines, text_lines


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_text_comes_every_ten_seconds_and_at_the_end_of_what_was_told_of() -> None:
    out, clock = io.StringIO(), Clock()
    lines = text_lines(out, clock)
    lines.stage("compare", 3)
    clock.now += 1
    lines.advance(3)
    lines.stage("ingest", 5000)
    assert out.getvalue() == ""
    clock.now += 10
    lines.advance(500)  # a window
    clock.now += 9
    lines.advance(500)
    clock.now += 1
    lines.advance(600)
    lines.advance(3400)
    assert out.getvalue().splitlines() == [
        "ingest: 500 of 5,000 files, 50.0/s, left 0:01:30",
        "ingest: 1,600 of 5,000 files, 80.0/s, left 0:00:42",
        "ingest: 5,000 of 5,000 files, 250.0/s, left 0:00:00",
    ]


def test_json_comes_at_both_ends_and_every_second() -> None:
    out, clock = io.StringIO(), Clock()
    lines = json_lines(out, clock)
    lines.stage("ingest", 10)
    for _ in range(4):
        clock.now += 0.5
        lines.advance(2)
    lines.advance(2)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"stage": "ingest", "done": 0, "total": 10, "per_s": 0.0, "left_s": None},
        {"stage": "ingest", "done": 4, "total": 10, "per_s": 4.0, "left_s": 1.5},
        {"stage": "ingest", "done": 8, "total": 10, "per_s": 4.0, "left_s": 0.5},
        {"stage": "ingest", "done": 10, "total": 10, "per_s": 5.0, "left_s": 0.0},
    ]


def test_a_stage_without_steps_has_nothing_left() -> None:
    out = io.StringIO()
    json_lines(out, Clock()).stage("ingest", 0)
    assert json.loads(out.getvalue())["left_s"] == 0.0


@pytest.mark.parametrize("is_brief", [True, False])
def test_lines_come_while_nothing_gets_done(*, is_brief: bool) -> None:
    has_two = threading.Event()

    class Out(io.StringIO):
        def flush(self) -> None:
            if self.getvalue().count("\n") >= 2:
                has_two.set()

    with Lines(lambda pace: pace.name, every_s=0.02, is_brief=is_brief, out=Out()) as lines:
        lines.stage("ingest", 1)
        assert has_two.wait(30)
