"""Text as a body may hold it."""

from typing import Annotated

from pydantic import AfterValidator, StrictStr


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the text has half of a surrogate pair at character {error.start}") from None
    return text


Text = Annotated[StrictStr, AfterValidator(_encodable)]
