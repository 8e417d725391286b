"""Other programs' clients, unchanged, each from an environment of its own: `make test-clients`.

The model behind the service is scripted, so that it calls a tool when it is asked about the weather.
"""

import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
from tokenizers import Tokenizer

CLIENTS = Path(__file__).parents[1] / "clients"
MADE = runpy.run_path(str(CLIENTS / "environments.py"))
PAGES = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "pages.py"))
RECIPES = [
    block for page in PAGES["pages"]() for block in PAGES["blocks_of"](page, PAGES["read"](page)) if block.run_with
]
ANSWER = "The warranty lasts 26 months. [1]"
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Bergen"}}\n</tool_call>'

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def url(serve_fake, tiny_format, sample_data_dir, tmp_path_factory):
    tokenizer = Tokenizer.from_file(str(tiny_format / "tokenizer.json"))

    def reply(token_ids) -> str:
        last = tokenizer.decode(list(token_ids), skip_special_tokens=False).rpartition("<|im_start|>user")[2]
        if "4 degrees" in last:
            return "It is 4 degrees."
        if "weather in Bergen" in last:
            return CALL
        return '{"months": 26}' if "As JSON" in last else ANSWER

    folder = tmp_path_factory.mktemp("clients") / "data"
    shutil.copytree(sample_data_dir, folder)
    settings = {
        "data_dir": folder,
        "engine": {"urls": ["fake://engine"], "tool_parser": "hermes"},
        "models": {"aliases": {"gpt-4o": "tiny", "SmolLM2-135M-Instruct": "tiny"}},
    }
    with serve_fake(reply, settings=settings) as (url, _):
        yield url


@pytest.mark.parametrize("name", ["openai", "langchain", "llamaindex", "litellm", "agents"])
def test_a_python_client_works_unchanged(url, name) -> None:
    run([str(MADE["python_of"](name)), str(CLIENTS / f"client_{name}.py"), url])


@pytest.mark.parametrize("name", ["client", "client_langchain"])
def test_a_node_client_works_unchanged(url, name) -> None:
    run(["node", str(MADE["node_script"](name)), url])


@pytest.mark.parametrize("block", RECIPES, ids=lambda block: block.place)
def test_a_recipe_of_the_pages_runs(url, block, tmp_path) -> None:
    folder, suffix = (MADE["node_script"]("client").parent, "mjs") if block.run_with == "node" else (tmp_path, "py")
    file = folder / f"recipe.{suffix}"  # Node finds packages beside the script
    file.write_text(block.code.replace("http://127.0.0.1:8000", url), "utf-8")
    program = "node" if block.run_with == "node" else str(MADE["python_of"](block.run_with))
    assert run([program, str(file)]).strip(), "it printed nothing"


def run(command: list[str]) -> str:
    # None of our packages, no keys of the machine's user, and no word to anybody else.
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    environment |= {
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
        "LANGSMITH_TRACING": "false",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout
