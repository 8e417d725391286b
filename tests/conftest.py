"""What many tests need: a tiny chat model, made on the spot, a Redis and S3 servers of their own."""

import json
import os
import pty
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "data" / "sample"
_ENGINE = "tests/engine"
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as under nohup: no command of a test would know Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """A file's tests stay in one process, for its fixtures, and so do all that share the one vLLM."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", 1)[0]
        return _ENGINE if path.startswith(f"{_ENGINE}/") else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """For `-n 2`."""
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Among several processes those tests come first that take longest in one; alone, those that are fast."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: not item.nodeid.startswith(f"{_ENGINE}/"))


@pytest.fixture(scope="session")
def tiny_tokenizer_json() -> str:
    """A byte-level BPE of 2,000 words, trained on the sample, with ChatML's control tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([file.read_text("utf-8") for file in sorted(SAMPLE.rglob("*.md"))], trainer)
    return tokenizer.to_str()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_json: str) -> Path:
    """A Llama of four small layers with random weights, in the Hugging Face format. It answers nonsense, fast."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    tokenizer = Tokenizer.from_str(tiny_tokenizer_json)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.chat_template = CHATML
    fast.save_pretrained(folder)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        bos_token_id=0,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_format(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_json: str) -> Path:
    """The tokenizer and template of the tiny model alone: enough wherever the engine is a fake."""
    folder = tmp_path_factory.mktemp("format")
    (folder / "tokenizer.json").write_text(tiny_tokenizer_json, "utf-8")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>", "chat_template": CHATML}
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return folder


@pytest.fixture(scope="session")
def promtool() -> str:
    """The program that checks and tests rules and queries of Prometheus."""
    return _program("promtool", package="prometheus")


@pytest.fixture(scope="session")
def prometheus() -> str:
    """The program of Prometheus."""
    return _program("prometheus", package="prometheus")


@pytest.fixture(scope="session")
def installed() -> Callable[..., str]:
    """Finds a program: `installed("zsh", package="zsh")` is its path; the test is left out where there is none.

    Of several names that one which is there is taken.
    """
    return _program


def _program(*names: str, package: str) -> str:
    """The path of a program that is installed; the test fails or is left out without it."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"  # where Debian has nginx
    if found := next(filter(None, (shutil.which(name, path=path) for name in names)), None):
        return found
    if os.environ.get("CI") == "true":
        pytest.fail(f"{names[0]} is not installed, and no test may be left out here")
    pytest.skip(f"{names[0]} is not installed: apt-get install {package}")


class Terminal:
    """A command on a terminal of its own. What it shows is kept; `wait_for` fails when it ends before."""

    def __init__(self, arguments: list[str], *, cwd: Path, environment: dict[str, str]) -> None:
        self.shown = ""
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, 120))
        # A session of its own whose terminal this is: only then does Ctrl-C reach it.
        command = ["setsid", "--ctty", *arguments]
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment)
        os.close(theirs)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def wait_for(self, text: str, *, seconds: float = 60) -> str:
        """What was shown until `text` was, since the last time that something was waited for."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < end, f"{text!r} was not shown: {self.shown!r}"
            assert self._read(0.2), f"it ended before {text!r}: {self.shown!r}"
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def press_until(self, key: str, text: str) -> str:
        """As `wait_for`; the key is pressed again while nothing comes of it, as a person would."""
        for _ in range(12):
            self.type(key)
            end = time.monotonic() + 5
            while text not in self.shown and time.monotonic() < end:
                assert self._read(0.2), f"it ended before {text!r}: {self.shown!r}"
            if text in self.shown:
                break
        return self.wait_for(text)

    def end(self) -> tuple[int, str]:
        """The exit code, and what was still shown."""
        while self._read(60):
            pass
        status = self.process.wait(60)
        return status, self.shown

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)

    def _read(self, seconds: float) -> bool:
        """Whether the command has its terminal still."""
        if not select.select([self._ours], [], [], seconds)[0]:
            return True
        try:
            found = os.read(self._ours, 65536)
        except OSError:  # EIO: nobody has the other end
            return False
        self.shown += found.decode("utf-8", "replace")
        return bool(found)


OpenTerminal = Callable[..., Terminal]


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[OpenTerminal]:
    """Runs `rag`, or `program`, with these arguments on a terminal: `open_terminal("chat", NO_COLOR="1")`."""
    with ExitStack() as stack:

        def start(*arguments: str, program: str = "", cwd: Path = tmp_path, **environment: str) -> Terminal:
            command = [*([program] if program else [sys.executable, "-m", "rag"]), *arguments]
            terminal = Terminal(
                command, cwd=cwd, environment={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", **environment}
            )
            stack.callback(terminal.close)
            return terminal

        yield start


StartRedis = Callable[[], tuple[str, "subprocess.Popen[bytes]"]]


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[StartRedis]:
    """Starts a real redis-server on a free port: its URL and its process, which ends with the test."""
    program = _program("redis-server", package="redis-server")
    with ExitStack() as stack:
        yield lambda: stack.enter_context(_redis(program, tmp_path))


@contextmanager
def _redis(program: str, folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "redis-server has ended"
                assert time.monotonic() < end, "redis-server does not answer"
                time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which AWS's libraries find a server of their own: MinIO's, as JuiceFS ships it."""
    program = Path(sys.executable).with_name("juicefs")
    folder = tmp_path_factory.mktemp("minio")
    database = f"sqlite3://{folder}/meta.db"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (folder / "log").open("wb") as log:
        form = [program, "format", "--storage", "file", "--bucket", folder / "objects", database, "tests"]
        subprocess.run(form, check=True, stdout=log, stderr=log)
        options = ["--multi-buckets", "--keep-etag", "--no-banner", "--no-usage-report", "--no-bgjob"]
        files = ["--log", folder / "log2", "--cache-dir", folder / "cache"]
        environment = {**os.environ, "MINIO_ROOT_USER": "tester", "MINIO_ROOT_PASSWORD": "not-a-secret"}
        command = [program, "gateway", *options, *files, database, f"127.0.0.1:{port}"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(port, process)
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_REGION": "us-east-1",
        }
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def s3_bucket(minio: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a new bucket, which this process and those that it starts may use."""
    yield from _bucket(minio, monkeypatch)


@pytest.fixture(scope="session")
def moto() -> Iterator[dict[str, str]]:
    """The same of a server that knows conditions on writes, as AWS does, in a thread of this process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_REGION": "us-east-1",
        }
    finally:
        server.stop()


@pytest.fixture
def moto_bucket(moto: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a new bucket there."""
    yield from _bucket(moto, monkeypatch)


def _bucket(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import s3fs

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()  # those of other environments
    url = f"s3://test-{secrets.token_hex(6)}"
    s3fs.S3FileSystem(use_listings_cache=False).mkdir(url)
    yield url
    s3fs.S3FileSystem.clear_instance_cache()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.02)
        else:
            return
