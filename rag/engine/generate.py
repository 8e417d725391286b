"""vLLM's `/inference/v1/generate`: tokens in, tokens out. The events that come back are read as those of completions.

Source: vLLM 0.25.1 and 0.32, entrypoints/scale_out/token_in_token_out.
"""

from dataclasses import fields

from rag.engine.wire import REPORT_SESSION
from rag.types import Sampling, Tokens

GENERATE = "/inference/v1/generate"
# The engine fills these by what the model's author recommends for completions, and does not for this route.
_RECOMMENDED = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
)
_PASSED = (*_RECOMMENDED, "max_tokens", "seed", "bad_words")
_HERE = ("response_format", "grammar", "special_tokens")  # two have another name, one is the detokenizer's business
_NOTHING = Sampling()


def can_generate(sampling: Sampling) -> bool:
    """Whether this route does all that is asked for.

    Stop strings are found in text, which the engine has none of. What else is not named here is left to completions:
    it checks and bounds `logit_bias`; and several choices break vLLM 0.25.1 here, which writes log probabilities in
    another form than 0.32 does.
    """
    return all(
        getattr(sampling, field.name) == getattr(_NOTHING, field.name)
        for field in fields(Sampling)
        if field.name not in (*_PASSED, *_HERE)
    ) and (sampling.response_format is None or _constraint(sampling.response_format) is not None)


def generate_body(
    model: str | None, token_ids: Tokens, sampling: Sampling, *, defaults: Sampling, salt: str, report: bool
) -> dict[str, object]:
    """The body of a request for tokens alone, with the defaults for what `sampling` leaves open."""
    told = {name: getattr(sampling, name) for name in _PASSED if getattr(sampling, name) != ()}
    told |= {name: getattr(defaults, name) for name in _RECOMMENDED if told[name] is None}
    told["structured_outputs"] = _constraint(sampling.response_format) if sampling.response_format else None
    if sampling.grammar:
        told["structured_outputs"] = {"grammar": sampling.grammar}
    told["extra_args"] = {"kv_cache_report_mode": "full"} if report else None
    return {
        "model": model,
        "token_ids": token_ids,
        "sampling_params": {name: value for name, value in told.items() if value is not None} | {"detokenize": False},
        "stream": True,
        "stream_options": {"include_usage": True},
        "cache_salt": salt,
    }


def generate_headers(*, report: bool) -> dict[str, str]:
    """What the body has no place for: completions takes the session of a report there, this route does not."""
    return {"X-Session-ID": REPORT_SESSION} if report else {}


def _constraint(response_format: dict[str, object]) -> dict[str, object] | None:
    """What vLLM makes of a response format of completions; None: that is for it to find out."""
    match response_format:
        case {"type": "json_object"}:
            return {"json_object": True}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return {"json": schema}
    return None
