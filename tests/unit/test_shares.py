"""Who gets what of a cluster."""

from ingest.cluster.share import Share, shares


def test_each_machine_is_used_whole_by_readers_and_encoders() -> None:
    for cpus in ([2], [1], [3, 5], [64, 64, 16], [16, 0]):
        readers, encoders = shares([{"CPU": float(each)} for each in cpus], can_use_gpus=True)
        assert readers.n_workers == sum(cpus)
        assert encoders.n_gpus == 0
        assert encoders.n_lanes <= 8
        assert encoders.n_workers == sum(each // encoders.n_lanes for each in cpus) >= 1
        taken = readers.n_workers * readers.n_cpus + encoders.n_workers * encoders.n_cpus
        assert sum(cpus) * 0.6 <= taken <= sum(cpus)


def test_gpus_embed_where_they_may() -> None:
    machines = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 4.0}]
    assert shares(machines, can_use_gpus=True) == (
        Share(n_workers=12, n_cpus=1),
        Share(n_workers=2, n_cpus=0, n_gpus=1),
    )
    assert shares(machines, can_use_gpus=False)[1].n_gpus == 0
