"""A system message with a clock in it is found; a new release of an application is not taken for one."""

from rag.applications import Applications, Steadiness


def test_a_clock_is_found() -> None:
    applications = Applications()
    looks = [applications.look(f"You help. Now it is 2026-11-22 10:0{minute}.", "g") for minute in range(5)]
    assert looks == ["steady", "changed", "varies", "varies", "varies"]
    assert applications.look("You help. Now it is 2026-11-22 10:00.", "g") is Steadiness.VARIES


def test_other_words_are_other_messages() -> None:
    applications = Applications()
    assert {applications.look(f"You are {name}.", "g") for name in ("Ann", "Bob", "Cid", "Dan", "")} == {"steady"}


def test_groups_do_not_know_of_each_other() -> None:
    applications = Applications()
    assert {applications.look(f"It is {hour} o'clock.", f"group {hour}") for hour in range(5)} == {"steady"}
