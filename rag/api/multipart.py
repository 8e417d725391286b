"""A form with one file, which goes to the disk as it comes."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from rag.errors import InvalidRequest

_FIELD_BYTES = 16 * 1024
_MAX_FIELDS = 32

Sink = Callable[[bytes], Awaitable[None]]


@dataclass(slots=True)
class _Part:
    """One part of the form."""

    headers: dict[str, bytes] = field(default_factory=dict)
    name: str = ""
    filename: str | None = None
    value: bytearray = field(default_factory=bytearray)


class FormReader:
    """Reads a form. `filename` is known before the first byte of the file is handed on."""

    def __init__(self, request: Request) -> None:
        """Nothing is read yet.

        Raises:
            InvalidRequest: the request has no form.
        """
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise InvalidRequest("The body is no form. Send multipart/form-data with the fields file and purpose.")
        self._request = request
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self._data: list[bytes] = []  # of the file, not yet handed on
        self._part = _Part()
        self._header = ""
        self._n_parts = 0
        self._is_complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    async def read(self, sink: Sink) -> Mapping[str, str]:
        """The fields, once the whole form is read. sink: takes the bytes of the field `file` in order.

        Raises:
            InvalidRequest: it is malformed, or cut short.
        """
        async for received in self._request.stream():
            try:
                self._parser.write(received)
            except MultipartParseError as error:
                raise InvalidRequest(f"The form is malformed: {error}. Send it as multipart/form-data.") from None
            if self._data:
                data, self._data = b"".join(self._data), []
                await sink(data)
        if not self._is_complete:
            raise InvalidRequest("The form is cut short: its closing boundary is missing. Send it again.")
        return self.fields

    def _begin(self) -> None:
        self._n_parts += 1
        if self._n_parts > _MAX_FIELDS:
            raise InvalidRequest(f"The form has more than {_MAX_FIELDS} fields. Send file, purpose and expires_after.")
        self._part = _Part()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header = data[start:end].decode("latin-1").lower()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.headers[self._header] = self._part.headers.get(self._header, b"") + data[start:end]

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._part.headers.get("content-disposition", b""))
        self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._part.name != "file":
            return
        if self.filename is not None:
            raise InvalidRequest("The form has two files. Upload them one by one.", param="file")
        self._part.filename = self.filename = options.get(b"filename", b"").decode("utf-8", "replace")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part.filename is not None:
            self._data.append(data[start:end])
            return
        self._part.value += data[start:end]
        if len(self._part.value) > _FIELD_BYTES:
            raise InvalidRequest(
                f"The field {self._part.name!r} has more than {_FIELD_BYTES} bytes. Send less.", param=self._part.name
            )

    def _part_end(self) -> None:
        if self._part.filename is None:
            self.fields[self._part.name] = self._part.value.decode("utf-8", "replace")

    def _end(self) -> None:
        self._is_complete = True
