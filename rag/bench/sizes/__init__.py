"""Search by kind and size of index, with vectors of real text, and mixtures of such where those are too few."""

from rag.bench.sizes.measure import SizeResult
from rag.bench.sizes.plots import write_plots
from rag.bench.sizes.run import Wanted, bench_sizes

__all__ = ["SizeResult", "Wanted", "bench_sizes", "write_plots"]
