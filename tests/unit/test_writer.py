"""What an ingest embeds together, and when it stores it, while files are read, cut and embedded at the same time."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest.ahead import WINDOW
from ingest.pipeline import Summary, ingest
from rag.embed import FakeEncoder
from rag.settings import IngestSettings
from rag.store import Store

N_FILES, N_WORDS = 40, 640  # 40 chunks of 16 words each


class Recording(FakeEncoder):
    """Notes its windows. With several threads it gives the first one back last."""

    def __init__(self, at_once: int = 1) -> None:
        super().__init__()
        self._at_once = at_once
        self.windows: list[tuple[str, ...]] = []
        self._second = threading.Event()

    @property
    def at_once(self) -> int:
        return self._at_once

    def encode_documents(self, texts: Sequence[str]):
        self.windows.append(tuple(texts))
        if len(self.windows) > 1:
            self._second.set()
        elif self._at_once > 1:
            assert self._second.wait(60)
        return super().encode_documents(texts)


class Steps:
    """Progress that counts."""

    def __init__(self) -> None:
        self.done = 0

    def stage(self, name: str, total: int) -> None:
        self.done = 0

    def advance(self, steps: int = 1) -> None:
        self.done += steps


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(N_FILES):
        # The last ten have the text of the first, which is then stored, being embedded, or neither.
        own = number % (N_FILES - 10)
        (folder / f"{number:02}.txt").write_text(" ".join(f"w{own}x{word}" for word in range(N_WORDS)))
    return folder


def run(docs: Path, store: Store, encoder: Recording, steps: Steps) -> Summary:
    settings = IngestSettings(chunk_tokens=16, workers=2)
    return ingest([docs], collection="c", store=store, encoder=encoder, settings=settings, progress=steps)


def everything(store: Store) -> list[tuple[str, int, bytes]]:
    with store.pin("c") as generation:
        chunks = generation.ordered_chunks()
        vectors = generation.vectors([chunk.seq for chunk in chunks])
        return [(chunk.document, chunk.start, row.tobytes()) for chunk, row in zip(chunks, vectors, strict=True)]


def test_windows_and_what_is_stored_do_not_depend_on_how_many_are_computed_at_once(docs: Path, tmp_path: Path) -> None:
    encoders = [Recording(), Recording(at_once=3)]
    stored = []
    for encoder in encoders:
        store = Store(tmp_path / f"data{encoder.at_once}")
        steps = Steps()
        summary = run(docs, store, encoder, steps)
        stored.append(everything(store))
        store.close()
        assert steps.done == summary.new == N_FILES
        assert summary.chunks == N_FILES * 40
        assert summary.embedded == encoder.n_encoded == (N_FILES - 10) * 40  # equal texts once
        assert set(summary.stages) == {"load", "plan", "read", "chunk", "wait", "store", "publish", "embed"}
        assert sum(summary.stages.values()) - summary.stages["embed"] <= summary.seconds + 0.1
    one, three = (sorted(encoder.windows) for encoder in encoders)
    assert one == three
    assert [len(window) for window in encoders[0].windows] == [520, 520, 160]
    assert max(map(len, one)) < 1.5 * WINDOW
    assert stored[0] == stored[1]


def test_what_was_embedded_before_an_error_is_kept(docs: Path, store: Store) -> None:
    class Broken(Recording):
        def encode_documents(self, texts: Sequence[str]):
            if self.windows:
                raise RuntimeError("no more")
            return super().encode_documents(texts)

    with pytest.raises(RuntimeError, match="no more"):
        ingest([docs], collection="c", store=store, encoder=Broken(), settings=IngestSettings(chunk_tokens=16))
    again = Recording()
    assert run(docs, store, again, Steps()).embedded == (N_FILES - 10) * 40 - 520
