"""Data directories of every layout that there was are read, asked, taken further and checked by this version."""

import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from openai import OpenAI

from ingest.pipeline import ingest
from rag.embed import FakeEncoder
from rag.settings import Settings
from rag.store import Copies, Store, schema

LAYOUTS = sorted((Path(__file__).parent / "layouts").glob("*.tar.xz"))
QUESTION = "When does the ferry to Bergen leave?"
ANSWER = "The ferry to Bergen leaves at seven from quay nine. [1]"
EVER = 36_500  # days for which responses are kept: those of the archives grow old


@pytest.fixture(params=LAYOUTS, ids=lambda file: file.name.removesuffix(".tar.xz"))
def old(request, tmp_path) -> tuple[Path, dict[str, str]]:
    """An unpacked data directory, and what is known of it."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "data", json.loads((tmp_path / "known.json").read_text())


def test_every_schema_of_a_catalog_is_among_the_layouts(tmp_path) -> None:
    found = set()
    for file in LAYOUTS:
        with tarfile.open(file) as archive:
            archive.extractall(tmp_path / file.name, filter="data")
        found |= {version(catalog) for catalog in (tmp_path / file.name).rglob("catalog.db")}

    assert found == set(range(1, schema.VERSION + 1))


def test_an_older_data_directory_answers_and_takes_more_in(old, serve_fake, tmp_path) -> None:
    data_dir, known = old
    settings = {"data_dir": data_dir, "responses": {"keep_days": EVER}}
    with (
        serve_fake(ANSWER, settings=settings) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key=known.get("key", "any"), max_retries=0) as client,
    ):
        assert "ferry.md" in cited_paths(client)
        if "store" in known:
            hits = client.vector_stores.search(known["store"], query="When does the tram leave?").data
            assert hits[0].filename == "tram.md"
            assert b"at eight" in client.files.content(known["file"]).content
            assert client.responses.retrieve(known["response"]).output_text
            assert httpx2.get(f"{url}/v1/models").status_code == 401

    new = tmp_path / "new"
    new.mkdir()
    (new / "plane.md").write_text("# Plane\n\nThe plane to Bergen leaves at nine.\n")
    with closing(Store(data_dir)) as store:
        ingest([new], collection="handbook", store=store, encoder=FakeEncoder(), settings=Settings().ingest)
        info = store.collection("handbook")
    assert (info.documents, info.generation) == (3, 2)
    assert info.failed == known.get("failed", 0)
    assert version(data_dir / "collections" / info.id / "generations" / "2" / "catalog.db") == schema.VERSION

    with (
        serve_fake(ANSWER, settings=settings) as (url, _),
        OpenAI(base_url=f"{url}/v1", api_key=known.get("key", "any"), max_retries=0) as client,
    ):
        assert "ferry.md" in cited_paths(client)
        hits = client.vector_stores.search("handbook", query="When does the plane leave?").data
        assert "plane.md" in {hit.filename for hit in hits}
    assert Copies(data_dir).verify("handbook") == []


def cited_paths(client: OpenAI) -> set[str]:
    """The files whose passages a question is answered from."""
    answer = client.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": QUESTION}],
        extra_body={"rag": {"collection": "handbook"}},
    )
    assert answer.choices[0].message.content == ANSWER
    return {Path(passage["document"]).name for passage in answer.model_extra["rag"]["retrieved"]}


def version(catalog: Path) -> int:
    with closing(sqlite3.connect(catalog)) as connection:
        return schema.version(connection)
