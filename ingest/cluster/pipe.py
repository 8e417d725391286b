"""One pipeline of Ray Data: pieces of work in, futures of their answers out."""

import pickle
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ingest.cluster.feed import Feed, row, rows
from ingest.cluster.share import Share
from rag.errors import CorpusError, RagError

if TYPE_CHECKING:
    import pyarrow as pa

A = TypeVar("A")
B = TypeVar("B")
_AHEAD = 2  # pieces that a worker has, so that it need not wait for the next one
_TRIES = 3  # of a piece whose worker dies, which Ray gives to the next one for ever
_END_S = 5.0


class Pipe(Generic[A, B]):
    """Workers that stay for the whole run, each a process somewhere in the cluster. Any thread may call.

    An answer finds its future by its number, so answers may overtake each other and none waits for an order.
    """

    def __init__(self, make: Callable[[], Callable[[A], B]], share: Share) -> None:
        """make: called once in each worker, gives what makes a piece an answer. It must be picklable."""
        import ray
        import ray.data

        self.at_once = share.n_workers * _AHEAD
        self._feed: Any = ray.remote(num_cpus=0)(Feed).remote()
        self._waiting: dict[int, Future[B]] = {}
        self._lock = Lock()
        self._n_pieces = 0
        self._gone: BaseException | None = None
        source = ray.data.from_items([0]).map_batches(
            rows, fn_args=(self._feed,), batch_size=None, batch_format="pyarrow", num_cpus=0
        )
        self._answers = source.map_batches(
            _Worker,
            fn_constructor_args=(make, self._feed),
            batch_size=1,  # with GPUs Ray Data takes no None
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=share.n_workers, max_tasks_in_flight_per_actor=_AHEAD),
            num_cpus=share.n_cpus,
            num_gpus=share.n_gpus,
        )
        self._thread = Thread(target=self._collect, name="ray-answers", daemon=True)
        self._thread.start()

    def submit(self, piece: A) -> "Future[B]":
        """The answer, once it is there; CorpusError if the cluster has given up, CancelledError if it was closed."""
        import ray
        from ray import cloudpickle

        future: Future[B] = Future()
        data = cloudpickle.dumps(piece)
        with self._lock:
            if self._gone:
                future.set_exception(self._gone)
                return future
            number = self._n_pieces
            self._n_pieces += 1
            self._waiting[number] = future
        ray.wait([self._feed.give.remote(number, data)])  # no more is under way than the callers wait for
        return future

    def finish(self) -> None:
        """Nothing; the workers, which have answered everything, have ended."""
        self._feed.end.remote(self._n_pieces)
        self._thread.join(_END_S)

    def stop(self) -> None:
        """Nothing; Ray Data has let go of the workers, whatever they do."""
        import ray
        import ray.exceptions

        self.close()
        with suppress(RuntimeError, ray.exceptions.RayError):  # the cluster may be gone
            ray.kill(self._feed)  # which ends the pipeline from its beginning
        self._thread.join(_END_S)

    def close(self) -> None:
        """Nothing; whoever waits for an answer, or asks for one later, gets `CancelledError`."""
        self._give_up(CancelledError())

    def _give_up(self, error: BaseException) -> None:
        with self._lock:
            self._gone = self._gone or error
            waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            future.set_exception(self._gone)

    def _collect(self) -> None:
        try:
            for answers in self._answers.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for number, data in zip(answers["number"].to_pylist(), answers["piece"].to_pylist(), strict=True):
                    self._answer(number, data)
        except Exception as error:  # noqa: BLE001 - the top frame of this thread
            self._give_up(_lost(error))
        else:
            self.close()

    def _answer(self, number: int, data: bytes) -> None:
        with self._lock:
            future = self._waiting.pop(number, None)
        if future is None:  # closed meanwhile
            return
        self._feed.drop.remote(number)
        answer = pickle.loads(data)  # noqa: S301 - the cluster runs our code as it is
        if isinstance(answer, RagError):
            future.set_exception(answer)
        else:
            future.set_result(answer)


class _Worker:
    """What runs in the cluster. Its errors are answers too: Ray would try again, and tell them as a traceback."""

    def __init__(self, make: Callable[[], Callable[[Any], Any]], feed: Any) -> None:  # noqa: ANN401 - no type
        self._feed = feed
        self._work: Callable[[Any], Any] | None = None
        try:
            self._work = make()
        except Exception as error:  # noqa: BLE001 - the top frame of this process
            self._error = _told(error)

    def __call__(self, pieces: "pa.Table") -> "pa.Table":
        (number,), (piece,) = pieces["number"].to_pylist(), pieces["piece"].to_pylist()
        return row(number, pickle.dumps(self._answer(number, piece)) if piece else b"")

    def _answer(self, number: int, piece: bytes) -> object:
        import ray

        if self._work is None:
            return self._error
        if ray.get(self._feed.begin.remote(number)) > _TRIES:
            return CorpusError(
                f"{_TRIES} workers of the Ray cluster ended on the same piece of work, maybe for want of memory. Give "
                "the machines more of it, or run without --engine ray."
            )
        try:
            return self._work(pickle.loads(piece))  # noqa: S301 - as above
        except Exception as error:  # noqa: BLE001 - the top frame of this process
            return _told(error)


def _told(error: Exception) -> RagError:
    if isinstance(error, RagError):
        return error
    words = " ".join(f"{type(error).__name__}: {error}".split())
    return CorpusError(f"A worker of the Ray cluster failed: {words}. Mend this there, and run the same command again.")


def _lost(error: BaseException) -> CorpusError:
    words = next(filter(None, map(str.strip, str(error).splitlines())), "it says nothing more")
    return CorpusError(
        f"The Ray cluster has given up: {type(error).__name__}: {words}. What was embedded is kept: see to the cluster "
        "and run the same command again, or run it without --engine ray."
    )
