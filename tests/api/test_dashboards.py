"""A real Prometheus scrapes a service, and every query of every dashboard has an answer."""

import itertools
import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import yaml
from openai import OpenAI

from rag.telemetry import Metrics

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
# What a service with a fake engine and nothing shared cannot have.
NO_DATA = {
    "vllm:": "metrics of vLLM itself: tests/engine has a real one",
    "rag_storage_synced_timestamp_seconds": "nothing is shared",
}


def queries(file: Path) -> list[str]:
    """The expressions of a dashboard."""
    return [target["expr"] for panel in json.loads(file.read_text("utf-8"))["panels"] for target in panel["targets"]]


def names(expression: str) -> set[str]:
    """Metrics of ours in an expression."""
    return set(re.findall(r"\brag_\w+", re.sub(r'"[^"]*"', "", expression)))


@pytest.fixture(scope="module")
def exposed() -> set[str]:
    """The names of the series that a service has."""
    endings = {"counter": [""], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
    return {row.name + ending for row in Metrics().table.rows for ending in endings[row.kind]}


def test_rules_and_dashboards_name_metrics_that_there_are(exposed) -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
    for expression in [*(rule["expr"] for rule in rules), *(each for file in DASHBOARDS for each in queries(file))]:
        assert names(expression) <= exposed, expression


def test_dashboards_show_every_metric(exposed) -> None:
    shown = {name for file in DASHBOARDS for each in queries(file) for name in names(each)}
    missing = {row.name for row in Metrics().table.rows if not any(name.startswith(row.name) for name in shown)}

    assert missing == {"rag_quotes_dropped_total"}  # of answers of quotes alone, which few ask for


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_panels_do_not_overlap(file) -> None:
    document = json.loads(file.read_text("utf-8"))
    cells = [
        (x, y)
        for at in (panel["gridPos"] for panel in document["panels"])
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert document["uid"] == f"prefixrag-{file.stem}"


def test_every_query_has_an_answer(prometheus, serve_fake, data_dir, tmp_path) -> None:
    shares = [{"model": "tiny", "share": 1}, {"model": "next", "share": 0}]
    settings = {
        "data_dir": data_dir,
        "server": {"first_token_objective_s": 60},
        "models": {"aliases": {"chat": shares}},
    }
    replies = itertools.cycle(["It lasts two years [1]. So it is [77].", "The documents do not say."])
    with (
        serve_fake(lambda _: next(replies), settings=settings) as (url, _),
        running(prometheus, url, tmp_path) as server,
    ):
        waiting = {expression for file in DASHBOARDS for expression in queries(file)}
        listed = {expression for expression in waiting if any(name in expression for name in NO_DATA)}
        waiting -= listed
        end = time.monotonic() + 90
        while waiting:
            use(url)  # all the time: rates are taken of what happens between two scrapes
            waiting = {each for each in waiting if not values(server, each)}
            assert time.monotonic() < end, waiting
        assert not any(values(server, each) for each in listed)


def use(url: str) -> None:
    """Nothing; something of everything has happened at the service."""
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        for question in ("How long is the warranty?", "What is E41?", "Who won the cup in 1954?"):
            client.chat.completions.create(model="chat", messages=[{"role": "user", "content": question}])
        client.completions.create(model="tiny:plain", prompt="Once upon a time", max_tokens=4)
        found = list(client.vector_stores.list())
        store = next((each for each in found if each.name == "notes"), None) or client.vector_stores.create(
            name="notes"
        )
        if store.file_counts.total < 5:
            file = client.files.create(file=("note.txt", f"Note {time.time()}.".encode()), purpose="assistants")
            client.vector_stores.files.create(vector_store_id=store.id, file_id=file.id)
        time.sleep(0.5)


@contextmanager
def running(program: str, url: str, folder: Path) -> Iterator[str]:
    """The URL of a Prometheus that scrapes a service each second."""
    shipped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text("utf-8"))
    shipped["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    shipped["rule_files"] = [str(ROOT / "deploy" / "prometheus" / "alerts.yml")]
    shipped["scrape_configs"][0]["static_configs"] = [{"targets": [url.removeprefix("http://")]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(shipped), "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=log, stderr=log)
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def values(server: str, expression: str) -> list[str]:
    """The numbers that Prometheus has for an expression of a dashboard; none before it is ready."""
    expression = expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
    try:
        answer = httpx2.get(f"{server}/api/v1/query", params={"query": expression}, timeout=30)
    except httpx2.TransportError:
        return []
    if answer.status_code == 503:
        return []
    assert answer.status_code == 200, answer.text
    return [each["value"][1] for each in answer.json()["data"]["result"] if each["value"][1] != "NaN"]
