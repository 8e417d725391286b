"""Text as a body may hold it."""

from typing import Annotated

from pydantic import Field, StrictStr

Text = StrictStr  # what cannot be written as UTF-8 has not passed `rag.api.body`
Name = Annotated[StrictStr, Field(min_length=1, max_length=256)]
Metadata = Annotated[
    dict[Annotated[Text, Field(max_length=64)], Annotated[Text, Field(max_length=512)]], Field(max_length=16)
]
