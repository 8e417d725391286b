"""ContextPilot's side: a line with ids in, a line with their order out (of no ids: none).

It is run by another interpreter, so by its path, and imports nothing of ours. Two faults of 0.5.0 are worked around,
and nothing else is touched. From 1,000 children of a node on, distances are computed by a process pool that is handed
a local function, which cannot be pickled; so they are computed here, by the package's own function for one pair. And
every call prints to standard output, where our lines stand.
"""

import json
import os
import sys

import numpy as np
from contextpilot.context_index.compute_distance_cpu import (  # type: ignore[import-not-found]
    compute_distance_single,
)
from contextpilot.server import live_index  # type: ignore[import-not-found]


def distances(
    queries: list[list[int]], targets: list[list[int]], alpha: float = 0.001
) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """The distance of each query to each target, as the package's own small case has it."""
    return np.array(
        [[compute_distance_single(query, target, alpha) for target in targets] for query in queries], dtype=np.float32
    )


def main() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    live_index.compute_distances_batch = distances
    pilot = live_index.ContextPilot(use_gpu=False)
    for line in sys.stdin:
        ids = json.loads(line)
        order = pilot.reorder(ids)[0][0] if ids else ()
        answers.write(json.dumps([int(each) for each in order]) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
