"""What `/metrics` looks up when it is asked: the state of engines, of the gate, of collections and of the disk."""

import shutil
from collections.abc import Sequence

from rag.engine import Reuse, Slot
from rag.errors import CorpusError
from rag.rooms import Rooms
from rag.store import CollectionInfo
from rag.telemetry import Metrics


async def gauge(rooms: Rooms) -> None:
    """Nothing; the gauges say how things are now."""
    metrics = rooms.metrics
    infos = await rooms.blocking(_infos, rooms)
    disk = await rooms.blocking(shutil.disk_usage, rooms.settings.data_dir)
    for metric in metrics.of_engines:
        metric.clear()  # of what was removed
    for slot in rooms.fleet.slots:
        _engine(slot, metrics)
    _collections(infos, metrics)
    metrics.predicted_wait.set(rooms.gate.predicted_wait_s())
    metrics.held_tokens.set(rooms.gate.n_kv_tokens)
    metrics.disk_free.set(disk.free)
    metrics.disk_size.set(disk.total)


def _infos(rooms: Rooms) -> Sequence[CollectionInfo]:
    """Blocks."""
    try:
        return rooms.store.collections()
    except CorpusError:  # who asks for the collection is told; the other metrics are wanted all the more
        return ()


def _engine(slot: Slot, metrics: Metrics) -> None:
    url = slot.engine.url
    metrics.engine_up.labels(url).set(slot.is_ready or slot.is_leaving)
    metrics.engine_restarts.labels(url).set(slot.local.restarts if slot.local else 0)
    metrics.reuse_proven.labels(url).set(slot.reuse is Reuse.ON)
    metrics.mirror_live.labels(url).set(slot.held.is_live)
    metrics.event_gaps.labels(url).set(slot.events.n_gaps if slot.events else 0)
    metrics.event_replays.labels(url).set(slot.events.n_replays if slot.events else 0)
    metrics.engine_running.labels(url).set(slot.n_running)
    metrics.engine_queue_s.labels(url).set(slot.queue_ms / 1000)
    for why, n_requests in slot.n_routed.items():
        metrics.routed.labels(url, why).set(n_requests)
    metrics.prediction_error.labels(url).set(slot.accuracy.error or 0)


def _collections(infos: Sequence[CollectionInfo], metrics: Metrics) -> None:
    for metric in (metrics.generation, metrics.published, metrics.documents, metrics.chunks):
        metric.clear()  # of what was deleted
    for info in infos:
        metrics.generation.labels(info.name).set(info.generation)
        metrics.published.labels(info.name).set(info.published_at)
        metrics.documents.labels(info.name).set(info.documents)
        metrics.chunks.labels(info.name).set(info.chunks)
