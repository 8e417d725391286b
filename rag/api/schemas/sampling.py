"""What chat completions and completions have in common: how tokens are picked, and what has no effect."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from rag.api.schemas.support import ACCEPTED, SUPPORTED
from rag.api.schemas.text import Text
from rag.errors import InvalidRequest
from rag.types import Sampling

MAX_CHOICES = 16
_MAX_STOPS = 4
_MAX_STOP_CHARS = 500
_MAX_BIASES = 1024

ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast"]


class StreamOptions(BaseModel):
    """What a stream carries beside text."""

    model_config = ConfigDict(extra="forbid")

    include_usage: StrictBool | None = Field(
        False, description="One more chunk at the end has the usage.", json_schema_extra=SUPPORTED
    )
    include_obfuscation: StrictBool | None = Field(
        None, description="Nothing is padded on your own machine.", json_schema_extra=ACCEPTED
    )


Stop = Annotated[Text, Field(min_length=1, max_length=_MAX_STOP_CHARS)]  # an empty one would end every answer at once
Bias = Annotated[float, Field(ge=-100, le=100)]


class SamplingFields(BaseModel):
    """Fields of both requests."""

    model_config = ConfigDict(extra="forbid")

    model: Text = Field(
        description="A name of GET /v1/models. With the suffix `:plain` the bare model answers.",
        json_schema_extra=SUPPORTED,
    )
    stream: StrictBool | None = Field(False, description="Send the answer as it is made.", json_schema_extra=SUPPORTED)
    stream_options: StreamOptions | None = Field(
        None, description="Allowed with `stream` only.", json_schema_extra=SUPPORTED
    )
    n: StrictInt | None = Field(
        None,
        ge=1,
        le=MAX_CHOICES,
        description="Answers to the prompt, which is computed once.",
        json_schema_extra=SUPPORTED,
    )
    max_tokens: StrictInt | None = Field(
        None, ge=1, description="Most tokens of each answer.", json_schema_extra=SUPPORTED
    )
    temperature: float | None = Field(
        None, ge=0, le=2, description="0 is greedy; unset: the model's own.", json_schema_extra=SUPPORTED
    )
    top_p: float | None = Field(
        None, gt=0, le=1, description="Probability mass that tokens are picked from.", json_schema_extra=SUPPORTED
    )
    seed: StrictInt | None = Field(
        None,
        ge=-(2**63),
        lt=2**63,
        description="Repeats an answer on the same engine, as far as batching lets it.",
        json_schema_extra=SUPPORTED,
    )
    stop: Stop | Annotated[list[Stop], Field(max_length=_MAX_STOPS)] | None = Field(
        None, description="Up to four strings that end an answer and are not in it.", json_schema_extra=SUPPORTED
    )
    presence_penalty: float | None = Field(
        None, ge=-2, le=2, description="As the engine has it.", json_schema_extra=SUPPORTED
    )
    frequency_penalty: float | None = Field(
        None, ge=-2, le=2, description="As the engine has it.", json_schema_extra=SUPPORTED
    )
    logit_bias: dict[str, Bias] | None = Field(
        None,
        max_length=_MAX_BIASES,
        description="By token id of the served model, not of OpenAI's.",
        json_schema_extra=SUPPORTED,
    )
    top_k: StrictInt | None = Field(None, ge=-1, description="vLLM's; not OpenAI's.", json_schema_extra=SUPPORTED)
    min_p: float | None = Field(None, ge=0, le=1, description="vLLM's; not OpenAI's.", json_schema_extra=SUPPORTED)
    repetition_penalty: float | None = Field(
        None, gt=0, description="vLLM's; not OpenAI's.", json_schema_extra=SUPPORTED
    )
    user: Text | None = Field(None, description="Nothing is kept by user.", json_schema_extra=ACCEPTED)
    cache_salt: Text | None = Field(
        None, description="vLLM's; the salt is always the access group's own.", json_schema_extra=ACCEPTED
    )

    def check_sampling(self, n_vocabulary: int) -> None:
        """Refuse values that no schema can.

        n_vocabulary: token ids are below it.

        Raises:
            InvalidRequest: one is out of place.
        """
        refuse_unsupported(self)
        check_stream_options(stream=self.stream, given=self.stream_options is not None)
        for token in self.logit_bias or {}:
            if not (token.isascii() and token.isdecimal() and int(token) < n_vocabulary):
                raise InvalidRequest(
                    f"logit_bias has the key {token!r}, which is no token id of the served model: those are 0 to "
                    f"{n_vocabulary - 1}. Ids of OpenAI's tokenizers mean other tokens here.",
                    param="logit_bias",
                    code="invalid_value",
                )

    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    def sampling(self) -> Sampling:
        """How tokens are to be picked, as far as both requests say it."""
        return Sampling(
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            min_p=self.min_p,
            seed=self.seed,
            stop=self.stops(),
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            repetition_penalty=self.repetition_penalty,
            logit_bias=dict(self.logit_bias or {}),
            n=self.n or 1,
        )


def check_stream_options(*, stream: bool | None, given: bool) -> None:
    """Refuse options of a stream for an answer that is none.

    Raises:
        InvalidRequest: there are some.
    """
    if given and not stream:
        raise InvalidRequest(
            "stream_options is only allowed when stream is true. Set stream, or leave it out.", param="stream_options"
        )


def refuse_unsupported(body: BaseModel) -> None:
    """Refuse a field that asks for what the service does not do; `harmless` values ask for nothing.

    Raises:
        InvalidRequest: naming the field.
    """
    for name, info in type(body).model_fields.items():
        extra = info.json_schema_extra
        if not isinstance(extra, dict) or extra.get("support") != "refused":
            continue
        value, harmless = getattr(body, name), extra.get("harmless")
        if value is not None and not (isinstance(harmless, list) and value in harmless):
            raise InvalidRequest(
                f"{name} = {str(value)[:80]!r} is not supported: {info.description} Leave it out.",
                param=name,
                code="unsupported_value",
            )
