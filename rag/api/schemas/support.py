"""What the service does with a field of OpenAI's API, said beside the field: the page of the API is made from it."""

from pydantic.types import JsonValue

Support = dict[str, JsonValue]

SUPPORTED: Support = {"support": "supported"}
ACCEPTED: Support = {"support": "accepted"}  # changes nothing in the answer of a self-hosted model
REFUSED: Support = {"support": "refused"}  # by name, unless it asks for nothing
