"""`rag doctor --model M --gpu-memory G`: what fits, before anybody buys or rents a GPU."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from rag.cli.output import say, say_json, say_table

if TYPE_CHECKING:
    from rag.capacity import Fit, Gpus, Load, Shape
    from rag.settings import Settings

_GIB = 2**30
_AT_MOST_GPUS = 8
_QUESTION_TOKENS = 100
_COLUMNS = (
    "weights",
    "GPUs",
    "weights GiB",
    "other GiB",
    "KV KiB/token",
    "KV tokens",
    "documents",
    "users",
    "beside",
    "alone",
)


def show_capacity(
    model: str, settings: "Settings", *, gpu_memory_gib: float, document_tokens: int, as_json: bool
) -> None:
    """Nothing; standard output says what fits for each precision and number of GPUs.

    Raises:
        ConfigError: the model's configuration cannot be read.
    """
    from rag.capacity import Gpus, read_shape
    from rag.models import chat_model_source

    shape = read_shape(chat_model_source(model, settings.data_dir), model)
    load = _load(shape, settings, document_tokens)
    fits = list(_fits(shape, Gpus(memory_gib=gpu_memory_gib)))
    if as_json:
        rows = [{**asdict(each), **_served(each, shape, load)} for each in fits]
        say_json({"model": asdict(shape), "gpu_memory_gib": gpu_memory_gib, "load": asdict(load), "fits": rows})
        return
    say(f"{model}: {shape.n_parameters / 1e9:.2f} billion parameters, a window of {shape.window_tokens} tokens")
    for text in shape.notes:
        say(f"  note: {text}")
    say_table(_COLUMNS, (_row(each, shape, load) for each in fits))
    say(
        f"other: what vLLM's largest step and CUDA take. documents: of {load.document_tokens} tokens, held as shared "
        f"prefixes in {load.prefix_share:.0%} of the cache.\n"
        f"users: requests at once behind one shared prefix of {load.prefix_tokens} tokens, each with "
        f"{load.own_tokens} of its own; beside: while all those documents are held; alone: if nothing were shared."
    )
    if any(fit.kv_tokens and not fit.holds(shape.window_tokens) for fit in fits):
        say("*: less than the model's window. vLLM then asks for a smaller --max-model-len.")


def _fits(shape: "Shape", gpus: "Gpus") -> "Iterator[Fit]":
    from rag.capacity import PRECISIONS, fit

    sizes = [n for n in (1, 2, 4, 8) if n <= _AT_MOST_GPUS and shape.can_divide(n)]
    return (fit(shape, each, gpus, tensor_parallel=n) for each in PRECISIONS for n in sizes)


def _load(shape: "Shape", settings: "Settings", document_tokens: int) -> "Load":
    from rag.capacity import Load

    window = settings.engine.max_model_len or shape.window_tokens
    passages = settings.retrieve.top_k * settings.ingest.chunk_tokens
    return Load(
        document_tokens=document_tokens,
        prefix_tokens=min(settings.prompt.shared_prefix_tokens, window // 2),
        own_tokens=min(passages, window // 4) + _QUESTION_TOKENS + min(settings.prompt.answer_tokens, window // 4),
        prefix_share=settings.cache.prefix_share,
    )


def _served(fit: "Fit", shape: "Shape", load: "Load") -> dict[str, object]:
    return {
        "holds_window": fit.holds(shape.window_tokens),
        "documents": load.n_documents(fit.kv_tokens),
        "users": load.n_users(fit.kv_tokens),
        "users_beside_documents": load.n_users_beside(fit.kv_tokens),
        "users_alone": load.n_users_alone(fit.kv_tokens),
    }


def _row(fit: "Fit", shape: "Shape", load: "Load") -> tuple[object, ...]:
    gib = (f"{fit.weight_bytes / _GIB:.2f}", f"{fit.working_bytes / _GIB:.2f}")
    row = (fit.precision, fit.tensor_parallel, *gib, f"{fit.kv_token_bytes / 1024:.1f}")
    if not fit.kv_tokens:
        return (*row, "does not fit", None, None, None, None)
    holds_window, *counts = _served(fit, shape, load).values()
    return (*row, f"{fit.kv_tokens}{'' if holds_window else '*'}", *counts)
