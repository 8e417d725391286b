"""Indexing goes on where a killed service left it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openai import OpenAI

SCRIPT = Path(__file__).with_name("service_process.py")
N_FILES = 40


@contextmanager
def service(data_dir: Path, tiny_format: Path) -> Iterator[tuple["subprocess.Popen[str]", OpenAI]]:
    command = [sys.executable, str(SCRIPT), str(data_dir), str(tiny_format)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().strip()
            with OpenAI(base_url=f"{url}/v1", api_key="any") as client:
                yield process, client
        finally:
            process.kill()


def test_a_service_killed_while_it_indexes_loses_nothing(tmp_path, tiny_format) -> None:
    with service(tmp_path, tiny_format) as (process, client):
        store = client.vector_stores.create(name="survivor")
        ids = [
            client.files.create(file=(f"{number}.txt", f"number {number} " * 90), purpose="user_data").id
            for number in range(N_FILES)
        ]
        batch = client.vector_stores.file_batches.create(store.id, file_ids=ids)
        drafts = tmp_path / "collections" / store.id / "generations"
        deadline = time.monotonic() + 20
        while not list(drafts.glob(".tmp-*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert list(drafts.glob(".tmp-*")), "the next generation is being written"
        counts = client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store.id).file_counts
        assert (counts.in_progress, counts.completed) == (N_FILES, 0)
        process.kill()
        process.wait()
    with service(tmp_path, tiny_format) as (_, client):
        done = client.vector_stores.file_batches.poll(batch.id, vector_store_id=store.id)
        assert done.status == "completed"
        assert (done.file_counts.completed, done.file_counts.failed) == (N_FILES, 0)
        found = client.vector_stores.search(store.id, query="number 42", max_num_results=50)
        assert {hit.file_id for hit in found} <= set(ids)
        # A question is answered while more is indexed: it waits for no more than a few texts.
        more = client.vector_stores.files.upload_and_poll(
            vector_store_id=store.id, file=("last.txt", b"the last one"), poll_interval_ms=20
        )
        assert more.status == "completed"
    assert not list(drafts.glob(".tmp-*"))
