"""Who gets what of a cluster. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_READER_CPU = 0.25  # of each CPU, which a reader shares with an encoder, as both use all of them on one machine
_MOST_LANES = 8  # of an encoder, which holds the model once for all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The workers of a pipeline, and what of the cluster each of them takes."""

    n_workers: int
    n_cpus: float
    n_gpus: int = 0
    n_lanes: int = 1  # batches that an encoder computes at once


def shares(machines: Sequence[Mapping[str, float]], *, can_use_gpus: bool) -> tuple[Share, Share]:
    """The readers' and the encoders' share: all of it, whatever else runs there.

    machines: what each of them has, by Ray's names.
    """
    cpus = [n_cpus for each in machines if (n_cpus := int(each.get("CPU", 0)))] or [1]
    n_gpus = sum(int(each.get("GPU", 0)) for each in machines) if can_use_gpus else 0
    if n_gpus:
        return Share(n_workers=sum(cpus), n_cpus=1), Share(n_workers=n_gpus, n_cpus=0, n_gpus=1)
    n_lanes = min(_MOST_LANES, *cpus)
    n_encoders = sum(each // n_lanes for each in cpus)
    return (
        Share(n_workers=sum(cpus), n_cpus=_READER_CPU),
        Share(n_workers=n_encoders, n_cpus=(1 - _READER_CPU) * n_lanes, n_lanes=n_lanes),
    )
