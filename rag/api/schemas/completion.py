"""The body of `POST /v1/completions`."""

from dataclasses import replace

from pydantic import Field, StrictBool, StrictInt

from rag.api.schemas.sampling import SamplingFields
from rag.api.schemas.support import REFUSED, SUPPORTED
from rag.api.schemas.text import Text
from rag.errors import InvalidRequest
from rag.types import Sampling

_MAX_PROMPTS = 128
_DEFAULT_TOKENS = 16


class CompletionRequest(SamplingFields):
    """The body. A field that is neither here nor in OpenAI's API is refused as unknown."""

    prompt: Text | list[Text] | list[StrictInt] | list[list[StrictInt]] = Field(
        description="A string, token ids of the served model, or up to 128 of either. Control tokens in it are read.",
        json_schema_extra=SUPPORTED,
    )
    logprobs: StrictInt | None = Field(
        None, ge=0, le=5, description="Likeliest tokens at each position.", json_schema_extra=SUPPORTED
    )
    echo: StrictBool | None = Field(
        None, description="The prompt stands before its completion; not with logprobs.", json_schema_extra=SUPPORTED
    )

    best_of: StrictInt | None = Field(
        None, description="Ask for n and choose.", json_schema_extra={**REFUSED, "harmless": [1]}
    )
    suffix: Text | None = Field(
        None, description="Nothing is inserted into a text.", json_schema_extra={**REFUSED, "harmless": [""]}
    )

    def check(self, n_vocabulary: int) -> None:
        """Refuse by name what the service does not do.

        n_vocabulary: token ids are below it.

        Raises:
            InvalidRequest: a field asks for something that is not supported, or does not go with another.
        """
        self.check_sampling(n_vocabulary)
        if self.echo and self.logprobs is not None:
            raise InvalidRequest(
                "echo with logprobs is not supported: those of the prompt are not told. Leave one of them out.",
                param="echo",
                code="unsupported_value",
            )
        prompts = self.prompts()
        if not 1 <= len(prompts) <= _MAX_PROMPTS:
            raise InvalidRequest(
                f"prompt has {len(prompts)} items; 1 to {_MAX_PROMPTS} are allowed. Send so many in one request.",
                param="prompt",
                code="invalid_value",
            )
        for index, prompt in enumerate(prompts):
            if not prompt:
                raise InvalidRequest(f"prompt[{index}] is empty. Say something.", param="prompt", code="invalid_value")
            bad = next((t for t in prompt if isinstance(t, int) and not 0 <= t < n_vocabulary), None)
            if bad is not None:
                raise InvalidRequest(
                    f"prompt[{index}] has the token id {bad}; the served model's are 0 to {n_vocabulary - 1}. "
                    "Send the text, or ids of its own tokenizer.",
                    param="prompt",
                    code="invalid_value",
                )

    def prompts(self) -> list[str | list[int]]:
        """The prompts, each a text or token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        ids = [item for item in self.prompt if isinstance(item, int)]
        return [ids] if ids else [item for item in self.prompt if not isinstance(item, int)]

    def sampling(self) -> Sampling:
        """How tokens are to be picked."""
        return replace(super().sampling(), max_tokens=self.max_tokens or _DEFAULT_TOKENS, top_logprobs=self.logprobs)
