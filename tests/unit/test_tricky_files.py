"""Every file that is known to break ingestion ends as its manifest says. It needs the folder of test data."""

import json
import os
import threading
import time
from pathlib import Path

import psutil
import pytest

from ingest.pipeline import ingest
from rag.embed import FakeEncoder
from rag.settings import IngestSettings
from rag.store import Store

MOST_BYTES = 2 * 2**30


def outcome_fits(expect: str, *, text: str | None, failed: str | None, skipped: str | None) -> bool:
    """Whether the file ended as one of the ways that the manifest allows."""
    ways = {
        "text": text is not None,
        "password": failed is not None and failed.startswith("encrypted"),
        "error": failed is not None,
        "empty": text is None and (failed or skipped or "").startswith(("empty", "scanned")),
        "unsupported": skipped is not None and skipped.startswith("not a document type"),
    }
    return any(ways[way] for way in expect.split("_or_"))


class PeakMemory(threading.Thread):
    """Looks at the resident memory of this process and its children until it is told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self.over = threading.Event()

    def run(self) -> None:
        here = psutil.Process()
        while not self.over.wait(0.02):
            total = 0
            for process in [here, *here.children(recursive=True)]:
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.bytes = max(self.bytes, total)


@pytest.mark.bench
def test_every_tricky_file_ends_as_its_manifest_says(tmp_path: Path) -> None:
    folder = Path(os.environ["RAG_BENCH_DATA"], "tricky_files")
    manifest = [json.loads(line) for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines()]
    store, peak, began = Store(tmp_path / "data"), PeakMemory(), time.monotonic()
    peak.start()
    summary = ingest([folder], collection="c", store=store, encoder=FakeEncoder(), settings=IngestSettings())
    seconds = time.monotonic() - began
    peak.over.set()
    peak.join()
    failed = {each.path: each.reason for each in summary.failed}
    skipped = {each.path: each.reason for each in summary.skipped}
    with store.pin("c") as generation:
        texts = {chunk.document: generation.document_text(chunk) for chunk in generation.ordered_chunks()}
        for chunk in generation.ordered_chunks():
            assert texts[chunk.document][chunk.start : chunk.end] == chunk.text
    store.close()
    wrong = []
    for each in manifest:
        path = each["path"]
        text, why_failed, why_skipped = texts.get(path), failed.get(path), skipped.get(path)
        folded = " ".join((text or "").split())
        has_words = text is None or all(" ".join(words.split()) in folded for words in each["contains"])
        if not has_words or not outcome_fits(each["expect"], text=text, failed=why_failed, skipped=why_skipped):
            wrong.append((path, each["expect"], why_failed or why_skipped or "text"))
        print(f"{path:45} {each['expect']:15} {why_failed or why_skipped or f'{len(folded)} characters'}")  # noqa: T201
    mib = peak.bytes / 2**20
    print(f"{len(manifest)} files in {seconds:.1f} s, {mib:.0f} MiB at most, workers included")  # noqa: T201
    assert wrong == []
    assert all("\n" not in reason and "Traceback" not in reason for reason in (*failed.values(), *skipped.values()))
    assert peak.bytes < MOST_BYTES
