"""What every arm's process does: load, say that it is ready, wait for the word, work, say how long it took.

It runs in environments that lack most of what we need ourselves, so nothing of ours is imported here.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

Spec = dict[str, Any]  # JSON of `process.run_arm`
Said = dict[str, Any]  # JSON of the arm
Work = Callable[[Sequence[str]], Said]
# Threads and kernels start with the first call, which is no work of an ingest's.
WARM_UP = tuple(f"Sentence {number} wakes the threads." for number in range(8))


def serve(load: Callable[[Spec], tuple[Work, Said]]) -> None:
    """Nothing; one measurement was made, in JSON lines on standard output.

    load: imports and loads all that the work needs, and tells facts about it. The work gets the texts (none before
    there are any), and tells `embedded`, how many texts it embedded, and what it knows besides.
    """
    # Libraries write where they like: what they print must not end up between our lines.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(said: Said) -> None:
        out.write(json.dumps(said) + "\n")
        out.flush()

    spec = json.loads(sys.stdin.readline())
    work, facts = load(spec)
    say(facts)
    texts = json.loads(sys.stdin.readline())
    began, spent_s = time.perf_counter(), _cpu_s()
    said = work(texts)
    say({"seconds": time.perf_counter() - began, "cpu_s": _cpu_s() - spent_s, **said})


def _cpu_s() -> float:
    """What this process and the children that it has seen end have computed."""
    return sum(os.times()[:4])


def set_threads(spec: Spec) -> None:
    """Nothing; torch computes on as many threads as every other arm."""
    import torch

    torch.set_num_threads(spec["n_threads"])


def facts_of(model: Any, *packages: str) -> Said:  # noqa: ANN401 - a sentence-transformers model, whoever loaded it
    """What was loaded: the type that the model computes in, its threads, and versions."""
    import torch

    return {
        "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
        "n_threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in (*packages, "sentence-transformers", "torch")},
    }
