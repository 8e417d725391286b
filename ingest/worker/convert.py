"""A program of the owner's choice that reads what our readers cannot: OCR, or a parser of layouts."""

import os
import resource
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import MsgspecError, Struct, json

from ingest.readers.base import Extracted
from ingest.readers.builder import Builder
from ingest.readers.kinds import is_image_name
from ingest.readers.limits import Limits
from ingest.readers.markdown import MarkdownReader
from ingest.worker.frames import Part

FILE = "{file}"  # in a word of the command, stands for the path
_CHAR_BYTES = 4  # of UTF-8
_PIECE_BYTES = 2**16
_TAIL_CHARS = 200


class _Pages(Struct):
    """What the program may write instead of text."""

    pages: list[str]
    title: str | None = None


class _Gone(Exception):
    """The program gave nothing to read; the message says why, for the owner of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converter:
    """Runs the command once for each file, in a process group of its own that is ended as a whole."""

    command: Sequence[str]
    suffixes: frozenset[str]  # of files that it reads in any case
    timeout_s: float
    memory_bytes: int
    limits: Limits

    def takes(self, path: str, parts: Sequence[Part]) -> bool:
        """Whether the file is for it: an image, one with its suffixes, or one in which ours found a scan."""
        is_scan = len(parts) == 1 and (parts[0].failed or "").startswith("scanned")
        return is_scan or is_image_name(path) or Path(path).suffix.lower() in self.suffixes

    def read(self, path: str, data: bytes) -> Part:
        """The document: what the command wrote on its standard output, as Markdown, or as pages in JSON."""
        with tempfile.TemporaryDirectory(prefix="rag-convert-") as folder:
            file = Path(folder, f"file{Path(path).suffix.lower()}")
            file.write_bytes(data)
            try:
                extracted = _extracted(self._output(file))
            except _Gone as reason:
                return Part("", failed=f"ingest.converter {reason}")
        if len(extracted.text) > self.limits.text_chars:
            return Part("", failed=f"over the limit: more than {self.limits.text_chars} characters of text")
        if not extracted.text.strip():
            return Part("", skipped="empty: ingest.converter found no text in it")
        return Part("", extracted=extracted)

    def _output(self, file: Path) -> bytes:
        words = [word.replace(FILE, str(file)) for word in self.command]
        if not any(FILE in word for word in self.command):
            words.append(str(file))
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=file.parent,
                start_new_session=True,
            )
        except OSError as error:
            raise _Gone(f"cannot be started: {error.strerror}; {self.command[0]!r} is its first word") from None
        try:
            resource.prlimit(process.pid, resource.RLIMIT_AS, (self.memory_bytes, self.memory_bytes))
            resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
            output = self._collect(process)
        except ProcessLookupError:
            output = process.communicate()[0]
        finally:
            _end(process)
        if process.returncode:
            raise _Gone(f"ended with status {process.returncode} on it")
        return output

    def _collect(self, process: "subprocess.Popen[bytes]") -> bytes:
        deadline = time.monotonic() + self.timeout_s
        most_bytes = self.limits.text_chars * _CHAR_BYTES
        output = bytearray()
        with selectors.DefaultSelector() as ready:
            if process.stdout is None:
                return b""
            ready.register(process.stdout, selectors.EVENT_READ)
            while True:
                left = deadline - time.monotonic()
                if left <= 0 or not ready.select(left):
                    raise _Gone(f"timed out: not done in {self.timeout_s:g} s; raise ingest.converter_timeout_s")
                piece = os.read(process.stdout.fileno(), _PIECE_BYTES)
                if not piece:
                    break
                output += piece
                if len(output) > most_bytes:
                    raise _Gone(f"wrote more than {most_bytes} bytes")
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise _Gone(f"timed out: not done in {self.timeout_s:g} s; raise ingest.converter_timeout_s") from None
        return bytes(output)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Nothing; neither the program nor what it has started runs any more."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with process:
        process.kill()


def _extracted(output: bytes) -> Extracted:
    try:
        text = output.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Gone(f"wrote no UTF-8 (byte {error.start})") from None
    builder = Builder()
    if not text.lstrip().startswith("{"):
        builder.graft(MarkdownReader().read(text.encode()))
        return replace(builder.extracted(is_markdown=True), title=None)
    try:
        pages = json.decode(text, type=_Pages)
    except MsgspecError as error:
        raise _Gone(f"wrote JSON without pages: {error}"[:_TAIL_CHARS]) from None
    builder.title = pages.title
    for number, page in enumerate(pages.pages, 1):
        builder.section(page=number)
        builder.block(page)
    return builder.extracted()
