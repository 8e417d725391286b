"""What the service does with a field of OpenAI's API, said beside the field: the page of the API is made from it."""

from pydantic.types import JsonValue

from rag.errors import InvalidRequest

Support = dict[str, JsonValue]

SUPPORTED: Support = {"support": "supported"}
ACCEPTED: Support = {"support": "accepted"}  # changes nothing in the answer of a self-hosted model
REFUSED: Support = {"support": "refused"}  # by name, unless it asks for nothing


def missing(param: str) -> InvalidRequest:
    """The error for a field that is not there and has to be."""
    return InvalidRequest(
        f"Missing required parameter: {param!r}. Send it.", param=param, code="missing_required_parameter"
    )
