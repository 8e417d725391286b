"""Items of a response that are still being written."""

from dataclasses import dataclass, field

from rag.api.responses.wire import call_json, message_json, text_json
from rag.api.wire import Json


@dataclass(slots=True, kw_only=True)
class OpenMessage:
    """An answer so far. place: of the item in the output."""

    id: str
    place: int
    text: str = ""
    annotations: list[Json] = field(default_factory=list)
    logprobs: list[Json] = field(default_factory=list)
    untold: list[Json] = field(default_factory=list)  # log probabilities that came with no text

    def tell(self, logprobs: list[Json]) -> list[Json]:
        """The log probabilities that the next piece of text carries."""
        told, self.untold = [*self.untold, *logprobs], []
        self.logprobs += told
        return told

    def part(self) -> Json:
        """The one part of the message."""
        return text_json(self.text, self.annotations, self.logprobs)

    def item(self, status: str) -> Json:
        """The item as it stands in the output."""
        return message_json(self.id, status, [] if status == "in_progress" else [self.part()])


@dataclass(slots=True, kw_only=True)
class OpenCall:
    """A call of a function so far. place: of the item in the output."""

    id: str
    place: int
    call_id: str
    name: str
    arguments: str = ""

    def item(self, status: str) -> Json:
        """The item as it stands in the output."""
        return call_json(self.id, status, call_id=self.call_id, name=self.name, arguments=self.arguments)
