"""One real vLLM for the whole run: `rag serve` with a tiny model, over the sample."""

import runpy
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from openai import OpenAI

from rag.bench.service import rag, running_service

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
_COLLECTOR = runpy.run_path(str(Path(__file__).parents[1] / "collector.py"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The mirror's test that kills the engine comes last: others count restarts from none."""
    items.sort(key=lambda item: item.path.name == "test_mirror.py" and "kill" in item.name)


@dataclass(frozen=True)
class Service:
    """A running service, its engine, and where its state is."""

    url: str
    engine_url: str
    model: str
    data_dir: Path
    client: OpenAI  # the official one, without retries
    spans: list[bytes]  # as the service and the engine have sent them so far, OTLP's requests

    def ready(self) -> dict:
        """The body of `/ready`."""
        return httpx2.get(f"{self.url}/ready").json()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("engine")
    data_dir = folder / "data"
    with ExitStack() as stack:
        collector, spans = stack.enter_context(_COLLECTOR["collector"]())
        with pytest.MonkeyPatch.context() as environment:  # of the service alone: other tests of this process follow
            environment.setenv("RAG_ENGINE__MODEL", str(tiny_model))
            # So small a model computes a short tail as fast as it finds a long prefix. With all hits shown, none is.
            environment.setenv("RAG_RETRIEVE__KEEP_RATIO", "0")
            environment.setenv("VLLM_SERVER_DEV_MODE", "1")  # for the engine: its cache can be cleared
            environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
            environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "500")  # milliseconds; 5,000 unless told
            rag("ingest", str(SAMPLE), "--data-dir", str(data_dir))
            url = stack.enter_context(running_service(data_dir, log=folder / "serve.log"))
        client = stack.enter_context(OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0, timeout=60))
        engine = httpx2.get(f"{url}/ready").json()["engines"][0]
        yield Service(
            url=url, engine_url=engine["url"], model=engine["model"], data_dir=data_dir, client=client, spans=spans
        )
