"""The real encoder: sentence-transformers on its torch back end."""

import threading
from collections.abc import Collection, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers.utils import logging

from rag.embed.base import Vectors
from rag.embed.batches import batches
from rag.embed.copies import Copies
from rag.embed.cores import usable_cores
from rag.embed.tokenised import Task, Tokenised, tokenise
from rag.errors import ConfigError
from rag.processor import has_bfloat16
from rag.settings import EmbeddingSettings
from rag.types import EmbeddingInfo

# What a core's caches hold; a GPU needs more to have enough to do.
_CPU_TOKENS, _GPU_TOKENS = 1024, 16_384
_MOST_TOKENS = 2**20
_LANES_A_WINDOW = 8  # texts that are given at once make batches for about so many


class SentenceEncoder:
    """A sentence-transformers model. Computes in bfloat16 where the machine does so natively.

    Texts that are given at once are tokenised at once and computed in batches of like length, the longest first. The
    batches are handed out in order to lanes: one for each GPU, which has its own copy of the model, or as many as
    wanted on a CPU, which share one.
    """

    def __init__(
        self, settings: EmbeddingSettings, source: str, *, n_threads: int | None = None, n_lanes: int | None = 1
    ) -> None:
        """Load the model from `source`, a folder or a hub name.

        n_threads: CPU threads of this process's torch for each batch; None leaves its own choice, all cores.
        n_lanes: batches that are computed at once, each on a device of its own or on a core of the CPU; None: on all
        that there are. Many texts are done soonest with all cores and one thread for each: threads of one batch wait
        for each other at each of a hundred steps, and for long if anything else runs on a core. One text is done
        soonest the other way round.

        Raises:
            ConfigError: nothing that can be loaded is there.
        """
        if n_threads is not None:
            torch.set_num_threads(n_threads)
        devices = _devices(settings.device)[:n_lanes]
        is_cpu = devices[0] == "cpu"
        dtype = _dtype(settings.dtype, devices[0])
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        load = partial(_load, settings.model, source, dtype)
        self._model = load(devices[0])
        if devices == ("cpu",):
            self._lanes = Copies(lambda _: self._model, devices * (n_lanes or usable_cores()), self._model)
        else:
            self._lanes = Copies(load, devices, self._model)
        self._executor = ThreadPoolExecutor(self._lanes.n_most, thread_name_prefix="lane")
        self._tokenising = threading.Lock()
        self._is_closed = False
        self._batch_tokens = settings.batch_tokens or (_CPU_TOKENS if is_cpu else _GPU_TOKENS)
        self._tokenizer = _plain_tokenizer(self._model)
        self._info = EmbeddingInfo(
            model=settings.model,
            dimensions=self._model.get_embedding_dimension() or 0,
            dtype=str(dtype).removeprefix("torch."),
        )
        self._shorter = settings.shorter_dimensions or _trained_for(self._model, self._info.dimensions)

    @property
    def info(self) -> EmbeddingInfo:
        """Model, dimensions and the type it computes in."""
        return self._info

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer without truncation or padding."""
        return self._tokenizer

    @property
    def max_tokens(self) -> int:
        """Longest text that the model reads, special tokens included."""
        return int(min(self._model.max_seq_length or 512, _MOST_TOKENS))  # a static model's is infinite

    @property
    def shorter_dimensions(self) -> Collection[int]:
        """Lengths that its vectors may be cut to: of the settings, else of the model's own configuration."""
        return self._shorter

    @property
    def at_once(self) -> int:
        """How many threads may call at a time, so that no lane waits for the end of a call."""
        return 1 + self._lanes.n_most // _LANES_A_WINDOW

    def plan(self, texts: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        """The numbers of the texts that `encode_documents` computes together, by batch, in order of computing."""
        tokenised = self._tokenise(texts, "document") if texts else None
        return batches(tokenised.lengths, self._batch_tokens) if tokenised else (tuple(range(len(texts))),)

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that are searched, in the order given."""
        return self._encode(texts, "document")

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that search, in the order given."""
        return self._encode(texts, "query")

    def close(self) -> None:
        """Nothing; a call under way ends with the batches that are computed now."""
        self._is_closed = True

    def _encode(self, texts: Sequence[str], task: Task) -> Vectors:
        vectors = np.zeros((len(texts), self._info.dimensions), np.float32)
        if not texts:
            return vectors
        tokenised = self._tokenise(texts, task)
        if tokenised is None:
            return self._whole(texts, task)
        planned = batches(tokenised.lengths, self._batch_tokens)
        compute = partial(self._compute, tokenised, task)
        # One batch needs no other thread. Several have one each that takes the next as it gets free.
        computed = self._executor.map(compute, planned) if len(planned) > 1 else map(compute, planned)
        for rows, part in zip(planned, computed, strict=True):
            vectors[list(rows)] = part
        return vectors

    def _tokenise(self, texts: Sequence[str], task: Task) -> Tokenised | None:
        with self._tokenising:  # a tokenizer is told how to cut and pad each time, and may not be told so twice at once
            return tokenise(self._model, texts, task)

    @torch.inference_mode()
    def _compute(self, tokenised: Tokenised, task: Task, rows: Sequence[int]) -> Vectors:
        with self._lanes.one() as model:
            if self._is_closed:
                raise CancelledError
            features = model(tokenised.batch(rows, model.device), task=task)
            if "sentence_embedding" not in features:
                raise self._no_vectors()
            return _unit(features["sentence_embedding"][:, : model.truncate_dim])

    def _whole(self, texts: Sequence[str], task: Task) -> Vectors:
        """What sentence-transformers makes of them by itself."""
        with self._lanes.one() as model:
            encode = model.encode_document if task == "document" else model.encode_query
            vectors = encode(list(texts), convert_to_tensor=True, show_progress_bar=False)
            if not isinstance(vectors, torch.Tensor):
                raise self._no_vectors()
            return _unit(vectors)

    def _no_vectors(self) -> ConfigError:
        return ConfigError(f"The embedding model {self._info.model!r} gives no dense vectors. Name one that does.")


def _load(name: str, source: str, dtype: torch.dtype, device: str) -> SentenceTransformer:
    try:
        model = SentenceTransformer(source, device=device, model_kwargs={"dtype": dtype})
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"The embedding model {name!r} cannot be loaded: {str(error).splitlines()[0]}. "
            "Name a folder that holds one, or a name that this machine has or can fetch."
        ) from None
    model.eval()
    return model


def _unit(vectors: torch.Tensor) -> Vectors:
    """Normalised in float32: a bfloat16 norm is off by up to 0.4 %."""
    return torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy()


def _plain_tokenizer(model: SentenceTransformer) -> Tokenizer:
    # A static model has the tokenizer itself, others one around it.
    inner = getattr(model.tokenizer, "backend_tokenizer", model.tokenizer)
    tokenizer: Tokenizer = Tokenizer.from_str(inner.to_str())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _trained_for(model: SentenceTransformer, dimensions: int) -> Collection[int]:
    """What config.json says of Matryoshka training, in the words that vLLM reads too: a list, or that any will do."""
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    if lengths := getattr(config, "matryoshka_dimensions", None):
        return tuple(int(length) for length in lengths)
    return range(1, dimensions) if getattr(config, "is_matryoshka", False) else ()


def _devices(names: str) -> tuple[str, ...]:
    if names != "auto":
        return tuple(name.strip() for name in names.split(","))
    return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count())) or ("cpu",)


def _dtype(name: str, device: str) -> torch.dtype:
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    native = torch.cuda.is_bf16_supported() if device.startswith("cuda") else has_bfloat16()
    return torch.bfloat16 if native else torch.float32
