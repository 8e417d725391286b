"""How much one file may give."""

from dataclasses import dataclass

from ingest.readers.base import ReadFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """For one file that was found, with all that is inside it. Time and memory are the worker's, not a reader's."""

    text_chars: int = 32 * 2**20  # of all text that comes out of it
    members: int = 10_000  # files inside it, at any depth
    depth: int = 3  # an archive in a message in an archive is the third
    member_bytes: int = 64 * 2**20  # of one file inside it
    unpacked_bytes: int = 2**30  # of all files inside it together


class Budget:
    """What is left of the limits while one file is read."""

    def __init__(self, limits: Limits) -> None:
        """All of them are left."""
        self.limits = limits
        self._members = limits.members
        self._bytes = limits.unpacked_bytes
        self._chars = limits.text_chars

    @property
    def member_bytes(self) -> int:
        """The most bytes that the next file inside may have."""
        return min(self.limits.member_bytes, self._bytes)

    def count_member(self) -> None:
        """Nothing; one file inside more.

        Raises:
            ReadFailure: that is one too many.
        """
        self._members -= 1
        if self._members < 0:
            limit = self.limits.members
            raise ReadFailure(f"over the limit: more than {limit} files inside, ingest.max_members is {limit}")

    def count_bytes(self, n_bytes: int) -> None:
        """Nothing; so many bytes more were unpacked.

        Raises:
            ReadFailure: those are too many.
        """
        self._bytes -= n_bytes
        if self._bytes < 0:
            limit = self.limits.unpacked_bytes
            raise ReadFailure(f"over the limit: unpacks to more than {limit} bytes, ingest.max_unpacked_bytes")

    def count_chars(self, n_chars: int) -> None:
        """Nothing; so much text more has come out.

        Raises:
            ReadFailure: that is too much.
        """
        if n_chars > self._chars:
            raise ReadFailure(
                f"over the limit: more than {self.limits.text_chars} characters of text, ingest.max_text_chars"
            )
        self._chars -= n_chars
