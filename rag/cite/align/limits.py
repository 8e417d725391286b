"""How much of a statement a source must say. docs/citations.md tells where the figures come from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Shares of a statement's content words, 0 to 1, and a cosine."""

    marked: float = 0.5  # that a source must have which the marker names
    unmarked: float = 0.6  # without a marker
    near: float = 0.6  # of what is left without the facts that differ, for the source to contradict them
    gain: float = 0.12  # that one more sentence must add to be quoted, too
    meaning: float = 0.65  # cosine of statement and sentence where their words differ


LIMITS = Limits()
