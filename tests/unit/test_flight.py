"""Single flight: who waits for whom."""

from rag.engine.flight import Flights
from rag.plan import block_chain

PREFIX = list(range(100, 164))


def missing(*tail: int) -> tuple[bytes, ...]:
    return block_chain([*PREFIX, *tail], 16, "salt")


def test_the_second_request_for_a_prefix_waits_until_the_first_has_it() -> None:
    flights = Flights()
    first, second = missing(*range(16)), missing(*range(50, 66))
    assert flights.shared(first) is None
    flight = flights.start(first)
    assert flights.shared(second) is flight
    flights.land(flight)
    flights.land(flight)
    assert flight.landed.is_set()
    assert flights.shared(second) is None


def test_nobody_waits_for_work_that_is_mostly_not_theirs() -> None:
    flights = Flights()
    flights.start(missing(*range(16 * 9)))
    assert flights.shared(missing(*range(50, 66))) is None


def test_nobody_waits_who_lacks_nothing() -> None:
    flights = Flights()
    flights.start(missing())
    assert flights.shared(()) is None


def test_two_flights_over_one_prefix_end_apart() -> None:
    flights = Flights()
    first = flights.start(missing())
    second = flights.start(missing(*range(16)))  # it did not wait: only its own block is its own
    flights.land(second)
    assert flights.shared(missing(*range(50, 66))) is first
    flights.land(first)
    assert flights.shared(missing()) is None
