"""What a worker is asked and answers: MessagePack, each message behind its length. Decoding runs no code."""

from msgspec import Struct, msgpack

from ingest.readers.base import Extracted
from ingest.readers.limits import Limits

LENGTH_BYTES = 8  # little-endian


class Request(Struct, frozen=True):
    """A file to read. Its bytes follow behind a length of their own."""

    path: str
    limits: Limits
    cpu_s: float  # for each document in it
    done: int = 0  # documents up to this number have been answered
    dead: tuple[int, ...] = ()  # these ended a worker and are left alone


class Started(Struct, frozen=True, tag=True):
    """Document `number` of the file is begun: if the worker ends now, this one ended it."""

    number: int  # starts at 1
    name: str  # inside the file; empty: the file itself


class Part(Struct, frozen=True, tag=True):
    """What became of one document of a file: one of the three is set."""

    name: str  # inside the file; empty: the file itself
    extracted: Extracted | None = None
    skipped: str | None = None
    failed: str | None = None


class Done(Struct, frozen=True, tag=True):
    """Nothing more is in the file. A worn worker holds memory that it does not give back."""

    is_worn: bool


Answer = Started | Part | Done
_ENCODER = msgpack.Encoder()
_ANSWERS: msgpack.Decoder[Answer] = msgpack.Decoder(Answer)
_REQUESTS: msgpack.Decoder[Request] = msgpack.Decoder(Request)


def framed(message: Request | Answer) -> bytes:
    """The message behind its length."""
    body = _ENCODER.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "little") + body


def answer_of(body: bytes) -> Answer:
    """The answer.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    return _ANSWERS.decode(body)


def request_of(body: bytes) -> Request:
    """The request."""
    return _REQUESTS.decode(body)
