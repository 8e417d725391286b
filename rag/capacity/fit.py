"""What is left on each GPU for keys and values.

vLLM takes a share of each GPU's memory (`--gpu-memory-utilization`), loads the weights, runs one largest step to see
what its activations need, and gives all that is left to the KV cache. Here the largest step is worked out.

Source: vLLM 0.32, `config/cache.py` and `engine/arg_utils.py` (get_batch_defaults).
"""

from dataclasses import dataclass

from rag.capacity.shape import Shape
from rag.capacity.weights import Precision

GIB = 2**30
_UTILIZATION = 0.92  # vLLM's default
_CONTEXT_BYTES = int(0.6 * GIB)  # CUDA's own, kernels and captured graphs
_BETWEEN_GPUS_BYTES = int(0.4 * GIB)  # buffers of NCCL, where there are several


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpus:
    """The GPUs of one engine."""

    memory_gib: float  # of each
    utilization: float = _UTILIZATION

    @property
    def step_tokens(self) -> int:
        """Tokens of vLLM's largest step (`--max-num-batched-tokens`) on such a GPU, unless it is told."""
        return 16_384 if self.memory_gib >= 160 else 8192 if self.memory_gib >= 70 else 2048

    @property
    def step_requests(self) -> int:
        """Requests in it (`--max-num-seqs`)."""
        return 1024 if self.memory_gib >= 70 else 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One precision on one number of GPUs. Bytes are of each GPU."""

    precision: str
    tensor_parallel: int
    weight_bytes: int
    working_bytes: int  # activations of the largest step and what CUDA takes
    kv_token_bytes: int
    kv_tokens: int  # 0: the weights leave no room

    def holds(self, window_tokens: int) -> bool:
        """Whether one request of the model's whole window fits: otherwise vLLM asks for a smaller --max-model-len."""
        return self.kv_tokens >= window_tokens


def fit(shape: Shape, precision: Precision, gpus: Gpus, *, tensor_parallel: int, kv_bytes_each: int = 2) -> Fit:
    """What a model in a precision leaves for keys and values on each of `tensor_parallel` GPUs.

    kv_bytes_each: of one key or value: 2 in bfloat16, 1 with `--kv-cache-dtype fp8`.
    """
    weights = precision.weight_bytes(shape) // tensor_parallel
    working = _step_bytes(shape, gpus, tensor_parallel) + _CONTEXT_BYTES
    working += _BETWEEN_GPUS_BYTES if tensor_parallel > 1 else 0
    each = shape.kv_bytes(tensor_parallel, bytes_each=kv_bytes_each)
    left = int(gpus.memory_gib * GIB * gpus.utilization) - weights - working
    return Fit(
        precision=precision.name,
        tensor_parallel=tensor_parallel,
        weight_bytes=weights,
        working_bytes=working,
        kv_token_bytes=each,
        kv_tokens=max(0, left // each),
    )


def _step_bytes(shape: Shape, gpus: Gpus, tensor_parallel: int) -> int:
    """Bytes of activations of the largest step: a feed-forward layer's, and the logits in float32 with a copy."""
    layer = gpus.step_tokens * (3 * shape.widest // tensor_parallel + 4 * shape.hidden) * 2
    logits = 2 * gpus.step_requests * shape.vocabulary * 4
    return layer + logits
