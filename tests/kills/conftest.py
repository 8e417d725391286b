"""Runs the real command over a folder that changes, kills it at random moments, and looks at what is left."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rag.errors import NotFound
from rag.store import Copies, Store

RAG = [sys.executable, "-c", "from rag.cli import main; main()"]
WORDS = [f"{kind}{number}" for kind in ("stone", "river", "cloud", "maple") for number in range(60)]
N_FILES = 12
TIMEOUT_S = 60.0

State = dict[str, str]  # path of each document and its text
NOTHING: State = {}


@dataclass
class Report:
    """How often what happened."""

    kills: int = 0
    survived: int = 0  # runs that were done before they were killed
    finished: int = 0  # runs that nobody killed
    published_by_killed: int = 0  # killed runs whose generation was published all the same
    generations: set[int] = field(default_factory=set)


class Driver:
    """One folder of documents, one data directory, one sequence of random numbers."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.docs = folder / "docs"
        self.data_dir = folder / "data"
        self.report = Report()
        self._random = random.Random(seed)
        self._seen: State | None = None  # what was published when it was last looked at
        self._work_s = 0.3  # how long a run takes from its first sign of life
        self.docs.mkdir()
        for number in range(N_FILES):
            self._write(f"{number % 3}/d{number}.md")

    def torment(self, kills: int) -> None:
        """Nothing; so many runs were killed, and each left a state that may be."""
        while self.report.kills < kills:
            for _ in range(self._random.randint(1, 4)):
                self._change()
            is_delete = self._random.random() < 0.08 and self._seen is not None
            for _ in range(self._random.randint(1, 3)):
                if self.report.kills < kills and not self._killed(is_delete=is_delete):
                    break
            if self._random.random() < 0.25:
                self.finish()

    def finish(self) -> None:
        """Nothing; a run that nobody kills has taken in all that there is."""
        ran_s = self._run(self._ingest())
        self._work_s = max(0.05, 0.5 * self._work_s + 0.5 * ran_s)
        self.report.finished += 1
        assert self.look() == self._on_disk(), "a run that was not killed has not taken in what there is"

    def look(self) -> State | None:
        """What a reader finds; None: no collection. Everything in it fits together."""
        store = Store(self.data_dir)
        try:
            problems = Copies(self.data_dir).verify("default")
            assert problems == []
            with store.pin("default") as generation:
                self.report.generations.add(generation.number)
                texts = {listed.path: generation.text_of(listed) for listed in generation.files().values()}
                for chunk in generation.ordered_chunks():
                    ((seq, score),) = generation.search(generation.vectors([chunk.seq])[0], 1)
                    assert score > 0.999
                    assert generation.chunks([seq])
                self._seen = texts
        except NotFound:
            self._seen = None
        finally:
            store.close()
        return self._seen

    def everything(self, data_dir: Path) -> list[tuple[object, ...]]:
        """Every chunk of the collection with its place and its vector."""
        store = Store(data_dir)
        try:
            with store.pin("default") as generation:
                chunks = generation.ordered_chunks()
                vectors = generation.vectors([chunk.seq for chunk in chunks])
                return sorted(
                    (c.document, c.start, c.end, c.id, c.text, c.title, str(c.anchor), row.tobytes())
                    for c, row in zip(chunks, vectors, strict=True)
                )
        finally:
            store.close()

    def undisturbed(self) -> Path:
        """A data directory into which one run has taken what there is now."""
        fresh = self.data_dir.with_name("undisturbed")
        shutil.rmtree(fresh, ignore_errors=True)
        self._run([*self._ingest(), "--data-dir", str(fresh)])
        return fresh

    def _killed(self, *, is_delete: bool) -> bool:
        """Whether the run was killed before it was done; what it left is one of the states that may be."""
        before, after = self._seen, None if is_delete else self._on_disk()
        if is_delete:
            arguments, limit_s = ["collections", "delete", "default", "--yes"], 0.5
        else:
            arguments, limit_s = self._ingest(), self._work_s
        was_killed = self._run_and_kill(arguments, self._random.uniform(0, limit_s))
        found = self.look()
        assert found in (before, after), f"{found} is neither {before} nor {after}"
        if was_killed:
            self.report.kills += 1
            if self.report.kills % 20 == 0:
                print(self.report.kills, "kills", file=sys.stderr, flush=True)  # noqa: T201 - with pytest -s
            self.report.published_by_killed += found == after != before
        else:
            self.report.survived += 1
            assert found == after
        return was_killed

    def _run_and_kill(self, arguments: list[str], delay_s: float) -> bool:
        with self._start(arguments) as process:
            assert process.stderr
            if "ingest" in arguments:
                process.stderr.readline()  # its first sign of life: what comes before changes nothing
            time.sleep(delay_s)
            process.send_signal(signal.SIGKILL)
            said = process.stderr.read().decode()
            status = process.wait(TIMEOUT_S)
        assert status in {0, -signal.SIGKILL}, f"{status}: {said}"
        return status == -signal.SIGKILL

    def _run(self, arguments: list[str]) -> float:
        """Seconds from the first sign of life."""
        with self._start(arguments) as process:
            assert process.stderr
            process.stderr.readline()
            began = time.monotonic()
            said = process.stderr.read()
            status = process.wait(TIMEOUT_S)
        assert status == 0, said.decode()
        return time.monotonic() - began

    def _start(self, arguments: list[str]) -> "subprocess.Popen[bytes]":
        quiet = {"RAG_EMBEDDING__MODEL": "fake", "RAG_ENGINE__URLS": '["http://127.0.0.1:9"]'}
        options = [] if "--data-dir" in arguments else ["--data-dir", str(self.data_dir)]
        return subprocess.Popen(
            [*RAG, *arguments, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **quiet},
            cwd=self.docs.parent,
        )

    def _ingest(self) -> list[str]:
        return ["ingest", str(self.docs), "--chunk-tokens", "16", "--progress", "json"]

    def _on_disk(self) -> State:
        return {str(file.relative_to(self.docs)): file.read_text() for file in self.docs.rglob("*.md")}

    def _change(self) -> None:
        files = sorted(self.docs.rglob("*.md"))
        kind = self._random.choice(("new", "update", "update", "delete", "move", "copy"))
        file = self._random.choice(files)
        number = self._random.randrange(10_000)
        if kind == "new" or len(files) < N_FILES // 2:
            self._write(f"{number % 3}/n{number}.md")
        elif kind == "update":
            lines = file.read_text().split("\n\n")
            lines[self._random.randrange(len(lines))] = self._paragraph()
            file.write_text("\n\n".join(lines))
        elif kind == "delete":
            file.unlink()
        elif kind == "move":
            file.rename(self.docs / f"{number % 3}" / f"m{number}.md")
        else:
            shutil.copy(file, self.docs / f"{number % 3}" / f"c{number}.md")

    def _write(self, path: str) -> None:
        file = self.docs / path
        file.parent.mkdir(exist_ok=True)
        n_paragraphs = self._random.randint(2, 30)
        file.write_text("\n\n".join([f"# {path}", *(self._paragraph() for _ in range(n_paragraphs))]))

    def _paragraph(self) -> str:
        return " ".join(self._random.choices(WORDS, k=self._random.randint(5, 14))) + "."


@pytest.fixture
def torment(tmp_path: Path) -> Callable[..., Driver]:
    """Kills so many runs with this seed, then lets one finish; the driver that did it."""

    def run(*, kills: int, seed: int) -> Driver:
        driver = Driver(tmp_path, seed)
        driver.torment(kills)
        driver.finish()
        return driver

    return run
