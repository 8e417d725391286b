"""What fits on a GPU: a model's weights, the keys and values beside them, and so prefixes and users. Nothing is run."""

from rag.capacity.fit import Fit, Gpus, fit
from rag.capacity.load import Load
from rag.capacity.shape import Shape, read_shape
from rag.capacity.weights import PRECISIONS, Precision

__all__ = ["PRECISIONS", "Fit", "Gpus", "Load", "Precision", "Shape", "fit", "read_shape"]
