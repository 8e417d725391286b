"""The real encoder: sentence-transformers on its torch back end."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers.utils import logging

from rag.embed.base import Vectors
from rag.errors import ConfigError
from rag.settings import EmbeddingSettings
from rag.types import EmbeddingInfo

_CPU_BATCH = 8


class SentenceEncoder:
    """A sentence-transformers model. Computes in bfloat16 where the machine does so natively."""

    def __init__(self, settings: EmbeddingSettings, source: str, *, n_threads: int | None = None) -> None:
        """Load the model from `source`, a folder or a hub name.

        n_threads: CPU threads of this process's torch; None leaves its own choice, all cores.

        Raises:
            ConfigError: nothing that can be loaded is there.
        """
        if n_threads is not None:
            torch.set_num_threads(n_threads)
        device = _device(settings.device)
        dtype = _dtype(settings.dtype, device)
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            self._model = SentenceTransformer(source, device=device, model_kwargs={"dtype": dtype})
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(
                f"The embedding model {settings.model!r} cannot be loaded: {str(error).splitlines()[0]}. "
                "Name a folder that holds one, or a name that this machine has or can fetch."
            ) from None
        self._model.eval()
        # Measured on one core: 41 texts a second in eights, 30 by 32, 24 by 64, for padding and caches.
        by_device = _CPU_BATCH if device == "cpu" else settings.batch_tokens // self.max_tokens
        self._batch_size = settings.batch_size or max(1, by_device)
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
        return int(self._model.max_seq_length or 512)

    @property
    def shorter_dimensions(self) -> Collection[int]:
        """Lengths that its vectors may be cut to: of the settings, else of the model's own configuration."""
        return self._shorter

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that are searched, in the order given."""
        return self._encode(self._model.encode_document, texts)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts that search, in the order given."""
        return self._encode(self._model.encode_query, texts)

    def _encode(self, encode: Callable[..., object], texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self._info.dimensions), np.float32)
        # sentence-transformers sorts by length within a call, so a batch's width is that of its longest text.
        vectors = encode(
            list(texts),
            batch_size=self._batch_size,
            normalize_embeddings=False,
            convert_to_tensor=True,
            show_progress_bar=False,
        )
        if not isinstance(vectors, torch.Tensor):
            raise ConfigError(f"The embedding model {self._info.model!r} gives no dense vectors. Name one that does.")
        # Normalised in float32: a bfloat16 norm is off by up to 0.4 %.
        return torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy()


def _plain_tokenizer(model: SentenceTransformer) -> Tokenizer:
    tokenizer: Tokenizer = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _trained_for(model: SentenceTransformer, dimensions: int) -> Collection[int]:
    """What config.json says of Matryoshka training, in the words that vLLM reads too: a list, or that any will do."""
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    if lengths := getattr(config, "matryoshka_dimensions", None):
        return tuple(int(length) for length in lengths)
    return range(1, dimensions) if getattr(config, "is_matryoshka", False) else ()


def _device(name: str) -> str:
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def _dtype(name: str, device: str) -> torch.dtype:
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    native = torch.cuda.is_bf16_supported() if device.startswith("cuda") else _cpu_has_bfloat16()
    return torch.bfloat16 if native else torch.float32


def _cpu_has_bfloat16() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return False
    flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
    return bool({"avx512_bf16", "amx_bf16"} & set(flags.split()))
