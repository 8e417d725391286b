"""Open WebUI itself, unchanged, with the settings of the recipe in docs/recipes.md: `make test-clients`."""

import os
import runpy
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import httpx2
import pytest
from tokenizers import Tokenizer

TESTS = Path(__file__).parents[1]
MADE = runpy.run_path(str(TESTS / "clients" / "environments.py"))
PAGES = runpy.run_path(str(TESTS / "docs" / "pages.py"))
(RECIPE,) = [one for one in PAGES["blocks_of"]("", PAGES["read"]("docs/recipes.md")) if "open-webui" in one.code]
WORDS = shlex.split(RECIPE.code)
SETTINGS = dict(value.split("=", 1) for option, value in pairwise(WORDS) if option == "-e")
SERVICE = "http://host.docker.internal:8000"  # as a container sees it
MODEL = "SmolLM2-135M-Instruct"
ANSWER = "The warranty lasts 26 months. [1]"
TITLE = "About the warranty"

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1800)]  # its packages are 1.7 GB


@pytest.fixture(scope="module")
def data(copy_data, tmp_path_factory) -> Path:
    return copy_data(tmp_path_factory.mktemp("service"))


@pytest.fixture(scope="module")
def served(serve_fake, tiny_format, data) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """A service that wants a key: its URL, and what its engine has been asked, oldest first."""
    tokenizer = Tokenizer.from_file(str(tiny_format / "tokenizer.json"))

    def text(token_ids: object) -> str:
        return tokenizer.decode(list(token_ids), skip_special_tokens=False)

    def reply(token_ids: object) -> str:
        return f'{{"title": "{TITLE}"}}' if is_task(text(token_ids)) else ANSWER

    settings = {"data_dir": data, "models": {"aliases": {MODEL: "tiny"}}}
    with serve_fake(reply, settings=settings) as (url, engine):
        before = len(engine.prompts)  # it measures the engine first
        yield url, lambda: [text(prompt) for prompt in engine.prompts[before:]]


@pytest.fixture(scope="module")
def web(served, data, key_in, tmp_path_factory) -> Iterator[httpx2.Client]:
    """Open WebUI's own API, for somebody who has signed up."""
    own = {**SETTINGS, "OPENAI_API_KEY": key_in(data)}
    own["OPENAI_API_BASE_URL"] = SETTINGS["OPENAI_API_BASE_URL"].replace(SERVICE, served[0])
    with ExitStack() as stack:
        url = stack.enter_context(started(own, tmp_path_factory.mktemp("webui")))
        client = stack.enter_context(httpx2.Client(base_url=url, timeout=120, trust_env=False))
        person = {"name": "Ada", "email": "ada@example.com", "password": "Correct-horse-7"}
        signed_up = client.post("/api/v1/auths/signup", json=person).raise_for_status().json()
        client.headers["Authorization"] = f"Bearer {signed_up['token']}"
        yield client


def is_task(prompt: str) -> bool:
    """Whether a prompt is one of Open WebUI's own, for titles and tags."""
    return "### Task:" in prompt


@contextmanager
def started(settings: dict[str, str], folder: Path) -> Iterator[str]:
    program = MADE["python_of"]("openwebui").with_name("open-webui")
    port = MADE["free_port"]()
    # Nothing of the machine's user, and no word to anybody else.
    own = {"PATH": os.environ["PATH"], "HOME": str(folder), "DATA_DIR": str(folder / "webui"), "WEBUI_SECRET_KEY": "t"}
    quiet = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "ANONYMIZED_TELEMETRY": "false"}
    command = [str(program), "serve", "--host", "127.0.0.1", "--port", str(port)]
    log = folder / "open-webui.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=own | quiet | settings, stdout=output, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: is_healthy(url), lambda: log.read_text("utf-8", "replace")[-4000:], process)
        yield url
    finally:
        process.kill()
        process.wait()


def until(
    holds: Callable[[], object], told: Callable[[], str], process: "subprocess.Popen[bytes] | None" = None
) -> None:
    end = time.monotonic() + 600
    while not holds():
        assert process is None or process.poll() is None, f"it has ended: {told()}"
        assert time.monotonic() < end, told()
        time.sleep(0.5)


def is_healthy(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


def test_it_offers_the_models_and_shows_answers_with_their_sources(web, served) -> None:
    assert [model["id"] for model in web.get("/api/models").json()["data"]] == [MODEL, f"{MODEL}:plain"]

    chat = conversation(web, "How long does the standard warranty last?")
    answer = chat["chat"]["history"]["messages"][chat["chat"]["history"]["currentId"]]
    assert (chat["title"], answer["content"]) == (TITLE, ANSWER)
    (source,) = answer["sources"]
    passage = httpx2.get(source["source"]["url"], trust_env=False).raise_for_status().json()
    assert passage["title"] == source["source"]["name"]

    prompts = served[1]()  # the title is not asked for behind the answer, but beside it
    (asked,) = [prompt for prompt in prompts if not is_task(prompt)]
    assert "26 months" in asked
    for task in filter(is_task, prompts):
        assert "26 months" not in task.replace(ANSWER, "")  # nothing was searched for it


def conversation(web: httpx2.Client, question: str) -> dict:
    """A new chat as the page begins it, once the answer and the title have come."""
    message = {"id": "q", "parentId": None, "childrenIds": ["a"], "role": "user", "content": question}
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": question}],
        "stream": True,
        "id": "a",
        "parent_id": None,
        "session_id": "s",
        "user_message": message,
        "background_tasks": {"title_generation": True, "tags_generation": True, "follow_up_generation": True},
    }
    begun = web.post("/api/chat/completions", json=body)
    assert begun.status_code == 200, begun.text
    path = f"/api/v1/chats/{begun.json()['chat_id']}"
    until(lambda: is_answered(web.get(path).json()), lambda: web.get(path).text)
    chat: dict = web.get(path).json()
    return chat


def is_answered(chat: dict) -> bool:
    answer = chat["chat"]["history"]["messages"].get("a", {})
    return chat["title"] == TITLE and answer.get("done", False)


def test_later_turns_are_sent_as_they_were_answered(web, served) -> None:
    turns = [{"role": "user", "content": "How long does the standard warranty last?"}]
    already = len(served[1]())
    first = web.post("/api/chat/completions", json={"model": MODEL, "messages": turns}).json()
    assert first["rag"]["collection"] == "default"
    turns += [{"role": "assistant", "content": ANSWER}, {"role": "user", "content": "And of the battery?"}]
    web.post("/api/chat/completions", json={"model": MODEL, "messages": turns}).raise_for_status()

    before, after = [prompt for prompt in served[1]()[already:] if not is_task(prompt)]
    assert after.startswith(before)
