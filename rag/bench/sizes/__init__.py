"""Search by kind and size of index, with vectors of real text."""

from rag.bench.sizes.measure import SizeResult
from rag.bench.sizes.run import bench_sizes

__all__ = ["SizeResult", "bench_sizes"]
