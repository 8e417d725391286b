"""A folder with documents, a service over them with a scripted engine, and a shell, for each page whose blocks run."""

import json
import os
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tokenizers import Tokenizer

_API = runpy.run_path(str(Path(__file__).parents[1] / "api" / "conftest.py"))
sample_data_dir, serve_fake, copy_data = _API["sample_data_dir"], _API["serve_fake"], _API["copy_data"]

ROOT = Path(__file__).parents[2]
FORKS = Path(__file__).with_name("forks.py")
WRITTEN = "http://127.0.0.1:8000"  # where the pages say that the service is
MODEL = "SmolLM2-135M-Instruct"
ANSWER = "Refunds take five working days. [1]"
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Bergen"}}\n</tool_call>'
# Their config.json, as far as it is read.
LLAMA_3_8B = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
}
QWEN3_8B = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 40960,
    "vocab_size": 151936,
    "tie_word_embeddings": False,
}


class Shell:
    """Runs the blocks of one page, in their order, in one folder. What a shell block exports holds for the next."""

    def __init__(self, folder: Path, url: str, variables: dict[str, str]) -> None:
        """url: of the service that answers instead of the one that the pages name."""
        self._folder = folder
        self._url = url
        self._variables = variables

    def run(self, code: str, language: str) -> str:
        """What the block printed; the test fails with all of it where the block does."""
        code = code.replace(WRITTEN, self._url).replace(WRITTEN.replace("127.0.0.1", "localhost"), self._url)
        if language == "python":
            file = self._folder / ".block.py"
            file.write_text(code, "utf-8")
            command = ["python", str(file)]
        else:
            kept = self._folder / ".exported"
            kept.touch()
            # Without a pager, and without what a failing command would leave unsaid.
            command = ["bash", "-euo", "pipefail", "-c", f". {kept}\n{code}\nexport -p > {kept}"]
        program = shutil.which(command[0], path=self._variables["PATH"])
        done = subprocess.run(
            [program, *command[1:]],
            cwd=self._folder,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=240,
            check=False,
        )
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0, f"exit code {done.returncode} of\n\n{code}\nwhich said\n\n{said}"
        return said


@pytest.fixture(scope="session")
def shell_in() -> type[Shell]:
    """Makes a shell: as of `Shell`."""
    return Shell


@pytest.fixture(scope="session")
def programs(tmp_path_factory) -> Iterator[Path]:
    """A folder for PATH with `rag`, `python` and `make`."""
    folder = tmp_path_factory.mktemp("programs")
    address = folder / "s"
    forks = runpy.run_path(str(FORKS))
    forks["write_programs"](folder / "bin", address)
    # make only says what it would do: targets that set up, measure or serve have tests of their own.
    (folder / "bin" / "make").write_text(
        f'#!/bin/sh\nexec {shutil.which("make")} --no-print-directory -n -C {ROOT} "$@"\n'
    )
    (folder / "bin" / "make").chmod(0o755)
    hub = folder / "hub" / "models--Qwen--Qwen3-8B"
    (hub / "snapshots" / "1").mkdir(parents=True)
    (hub / "refs").mkdir()
    (hub / "refs" / "main").write_text("1")
    (hub / "snapshots" / "1" / "config.json").write_text(json.dumps(QWEN3_8B))
    own = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(folder / "hub")}  # read when imported
    process = subprocess.Popen([sys.executable, FORKS, address], env={**os.environ, **own})
    while not address.exists():
        assert process.poll() is None, "the process behind `rag` has ended"
        time.sleep(0.02)
    yield folder / "bin"
    process.kill()
    process.wait()


def reply_of(tokenizer: Tokenizer) -> Callable[[object], str]:
    """What the scripted engine says: a tool call where the pages ask for the weather, else one cited sentence."""

    def reply(token_ids: object) -> str:
        last = tokenizer.decode(list(token_ids), skip_special_tokens=False).rpartition("<|im_start|>user")[2]
        if "4 degrees" in last:
            return "It is 4 degrees."
        if "weather in Bergen" in last:
            return CALL
        return '{"days": 5}' if "As JSON" in last else ANSWER

    return reply


@pytest.fixture(scope="module")
def shell_of(serve_fake, programs, sample_data_dir, tiny_format, tmp_path_factory) -> Iterator[Callable[[str], Shell]]:
    """The shell of a page, by the page's path. One service is kept at a time: pages are run one after the other."""
    reply = reply_of(Tokenizer.from_file(str(tiny_format / "tokenizer.json")))
    with ExitStack() as last:
        shells: dict[str, Shell] = {}

        def shell(page: str) -> Shell:
            if page not in shells:
                last.close()
                shells.clear()
                folder = tmp_path_factory.mktemp("page")
                settings = prepare(folder, sample_data_dir)
                url, _ = last.enter_context(serve_fake(reply, settings=settings, is_announced=True))
                shells[page] = Shell(folder, url, variables(folder, programs, tiny_format))
            return shells[page]

        yield shell


def prepare(folder: Path, sample_data_dir: Path) -> dict[str, object]:
    """The settings of the page's service; `folder` has what the pages take for granted: documents, questions, data."""
    shutil.copytree(ROOT / "data" / "sample", folder / "docs")
    shutil.copytree(sample_data_dir, folder / "data")
    (folder / "questions").mkdir()
    for file in (ROOT / "data" / "questions").iterdir():
        lines = file.read_text("utf-8").split("\n")
        (folder / "questions" / file.name).write_text("\n".join(lines[:4]) + "\n", "utf-8")
    (folder / "Llama-3-8B").mkdir()
    (folder / "Llama-3-8B" / "config.json").write_text(json.dumps(LLAMA_3_8B))
    return {
        "data_dir": folder / "data",
        "engine": {"urls": ["fake://engine"], "tool_parser": "hermes"},
        "models": {"aliases": {"gpt-4o": "tiny", MODEL: "tiny"}},
    }


def variables(folder: Path, programs: Path, model: Path) -> dict[str, str]:
    """The environment of the blocks: nothing of the user's own, small models, no hub."""
    path = f"{programs}:{os.environ['PATH']}"
    own = {"RAG_EMBEDDING__MODEL": "fake", "RAG_ENGINE__MODEL": str(model)}
    return {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", "COLUMNS": "120", **own}
