"""What every kind of index keeps. EXACT is compared with brute force, the others too, within what they promise."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from rag.errors import CorpusError
from rag.settings import IndexSettings
from rag.store.vectors import IndexKind, VectorIndex, Vectors, open_index, write_index

DIMENSIONS, N = 256, 4000
SETTINGS = {
    IndexKind.EXACT: IndexSettings(),
    IndexKind.LISTS: IndexSettings(exact_vectors=100),
    IndexKind.COMPRESSED: IndexSettings(exact_vectors=100, memory_mib=16),
}
N_COMPRESSED = 16 * 2**20 // (2 * DIMENSIONS) + 1  # one more than fit into 16 MiB


def clustered(n: int) -> Vectors:
    """Unit vectors that lie as those of texts do: in heaps."""
    chance = np.random.default_rng(5)
    centres = chance.standard_normal((300, DIMENSIONS))
    vectors = (centres[chance.integers(0, 300, n)] + 0.6 * chance.standard_normal((n, DIMENSIONS))).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Filled:
    """An index of one kind, and what is in it. Its numbers are even, as if every other chunk was deleted."""

    def __init__(self, kind: IndexKind, folder: Path) -> None:
        self.rows = clustered(N if kind is not IndexKind.COMPRESSED else N_COMPRESSED)
        self.seqs = np.arange(len(self.rows)) * 2
        written = folder / "written"
        written.mkdir()
        self.names = write_index(written, self._parts, len(self.rows), DIMENSIONS, SETTINGS[kind])
        self.folder = written.rename(folder / "published")
        self.index: VectorIndex = open_index(self.folder)

    def _parts(self) -> Iterator[tuple[Sequence[int], Vectors]]:
        for first in range(0, len(self.rows), 5000):
            yield self.seqs[first : first + 5000].tolist(), self.rows[first : first + 5000]

    def nearest(self, vector: Vectors, k: int, allowed: frozenset[int] | None = None) -> list[int]:
        scores = self.rows @ vector
        order = self.seqs[np.argsort(-scores, kind="stable")].tolist()
        return [seq for seq in order if allowed is None or seq in allowed][:k]


@pytest.fixture(scope="module", params=list(IndexKind))
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return Filled(request.param, tmp_path_factory.mktemp(request.param))


def questions() -> Vectors:
    vectors = clustered(200) + 0.05 * np.random.default_rng(6).standard_normal((200, DIMENSIONS)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_kind_is_chosen_by_count_and_memory(filled: Filled) -> None:
    assert filled.index.kind in SETTINGS
    assert sorted(filled.names) == sorted(file.name for file in filled.folder.iterdir())


def test_a_question_reads_some_of_the_lists(filled: Filled) -> None:
    n_read, n_lists = filled.index.lists_read
    assert 1 <= n_read <= n_lists
    assert (n_lists == 1) == (filled.index.kind is IndexKind.EXACT)


def test_nearly_all_of_the_nearest_are_found(filled: Filled) -> None:
    # Codes tell heaps of random vectors apart less well than they do texts: docs/scale.md.
    least = {IndexKind.EXACT: 0.999, IndexKind.LISTS: 0.98, IndexKind.COMPRESSED: 0.9}[filled.index.kind]
    found = [{seq for seq, _ in filled.index.search(question, 10)} for question in questions()[:60]]
    wanted = [set(filled.nearest(question, 10)) for question in questions()[:60]]
    assert sum(len(some & near) for some, near in zip(found, wanted, strict=True)) >= least * 10 * len(found)


def test_scores_are_cosines_and_the_best_comes_first(filled: Filled) -> None:
    for question in questions()[:20]:
        found = filled.index.search(question, 10)
        assert len(found) == 10
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
        for seq, score in found:
            assert score == pytest.approx(float(filled.rows[seq // 2] @ question), abs=2e-3)


@pytest.mark.parametrize("every", [7, 101, 997])
def test_a_narrow_filter_is_exact(filled: Filled, every: int) -> None:
    allowed = frozenset(filled.seqs[::every].tolist())
    question = questions()[3]
    found = [seq for seq, _ in filled.index.search(question, 5, allowed)]
    assert set(found) <= allowed
    if every > 100:
        assert found == filled.nearest(question, 5, allowed)


def test_what_is_not_there_is_not_found(filled: Filled) -> None:
    question = questions()[0]
    assert filled.index.search(question, 5, frozenset()) == ()
    assert [seq for seq, _ in filled.index.search(question, 5, frozenset({2, 4}))] in ([2, 4], [4, 2])
    assert filled.index.search(question, 0) == ()


def test_vectors_come_back_in_the_order_asked(filled: Filled) -> None:
    asked = [filled.seqs[-1], 0, 8]
    assert filled.index.vectors(asked) == pytest.approx(filled.rows[[seq // 2 for seq in asked]], abs=1e-3)
    assert filled.index.vectors([]).shape == (0, DIMENSIONS)


def test_the_same_vectors_make_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    once, again = (Filled(IndexKind.LISTS, folder) for folder in (tmp_path, tmp_path / "again"))
    for name in again.names:
        assert (again.folder / name).read_bytes() == (once.folder / name).read_bytes()


def test_a_file_that_is_no_index_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "vectors.faiss").write_bytes(b"not an index")
    with pytest.raises(CorpusError, match=r"vectors\.faiss"):
        open_index(tmp_path)
