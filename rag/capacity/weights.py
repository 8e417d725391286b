"""Bytes of weights in the precisions that people run."""

from dataclasses import dataclass

from rag.capacity.shape import Shape


@dataclass(frozen=True, slots=True)
class Precision:
    """How the weights of linear layers are stored; all else is bfloat16."""

    name: str
    bits: float  # for one weight, with its share of the scales

    def weight_bytes(self, shape: Shape) -> int:
        """Bytes of all weights of a model."""
        return round(2 * (shape.n_parameters - shape.n_linear) + shape.n_linear * self.bits / 8)


# INT4 as GPTQ and AWQ checkpoints have it: groups of 128 weights with a scale (16 bits) and a zero (4 bits) each.
PRECISIONS = (Precision("bf16", 16.0), Precision("fp8", 8.0), Precision("int4", 4 + 20 / 128))
