"""A real nginx with the configuration that is shipped, services for it, and a server that notes what reaches it."""

import datetime as dt
import os
import runpy
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_API = runpy.run_path(str(Path(__file__).parents[1] / "api" / "conftest.py"))
sample_data_dir, serve_fake, key_in = _API["sample_data_dir"], _API["serve_fake"], _API["key_in"]
copy_data, data_dir, make_key = _API["copy_data"], _API["data_dir"], _API["make_key"]

SHIPPED = Path(__file__).parents[2] / "deploy" / "nginx"
NAME = "rag.example.com"
_MAIN = """
daemon off;
worker_processes 1;
{user}
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include conf.d/*.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx."""

    port: int
    plain_port: int
    trust: ssl.SSLContext
    log: Path

    def client(self, key: str = "any") -> httpx2.Client:
        """A client that asks it by its name, over TLS."""
        headers = {"authorization": f"Bearer {key}", "host": f"{NAME}:{self.port}"}
        url = f"https://127.0.0.1:{self.port}"
        client = httpx2.Client(base_url=url, headers=headers, verify=self.trust, timeout=60, trust_env=False)
        client.event_hooks["request"] = [lambda request: request.extensions.update(sni_hostname=NAME)]
        return client

    def raw(self, name: str = NAME) -> ssl.SSLSocket:
        """A connection to it, to say anything on."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        return self.trust.wrap_socket(plain, server_hostname=name)


StartNginx = Callable[..., Nginx]


@pytest.fixture
def start_nginx(tmp_path: Path, installed: Callable[..., str]) -> Iterator[StartNginx]:
    """Starts a real nginx in front of services: `start_nginx([url, ...], {what stands in the files: what shall})`."""
    program = installed("nginx", package="nginx")
    with ExitStack() as stack:
        yield lambda urls, edits=None: stack.enter_context(_nginx(program, tmp_path / "nginx", urls, edits or {}))


@contextmanager
def _nginx(program: str, folder: Path, urls: Sequence[str], edits: Mapping[str, str]) -> Iterator[Nginx]:
    shutil.copytree(SHIPPED, folder)
    port, plain_port = _free_port(), _free_port()
    addresses = [url.removeprefix("http://") for url in urls]
    servers = "\n    ".join(f"server {address} max_fails=2 fail_timeout=5s;" for address in addresses)
    own = {
        "server 127.0.0.1:8000 max_fails=2 fail_timeout=5s;": servers,
        "server 127.0.0.1:8000 max_fails=0;": f"server {addresses[0]} max_fails=0;",
        "    listen [::]:80 default_server;\n": "",
        "    listen [::]:443 ssl default_server;\n": "",
        "    listen [::]:443 ssl http2;\n": "",
        "listen 80 ": f"listen 127.0.0.1:{plain_port} ",
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        "/etc/prefixrag/tls": str(folder),
        "/var/log/nginx": str(folder),
    }
    files = {file: file.read_text("utf-8") for file in (folder / "conf.d").glob("*.conf")}
    for shipped, ours in {**own, **edits}.items():
        assert any(shipped in text for text in files.values()), shipped
        files = {file: text.replace(shipped, ours) for file, text in files.items()}
    for file, text in files.items():
        file.write_text(text, "utf-8")
    user = "user root;" if os.geteuid() == 0 else ""  # its workers read the test's own folder
    main = folder / "nginx.conf"
    main.write_text(_MAIN.format(folder=folder, user=user), "utf-8")
    trust = ssl.create_default_context(cadata=_certificate(folder))
    with (folder / "output").open("wb") as output:
        command = [program, "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(main)]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "error.log").read_text()
                assert time.monotonic() < end, "nginx does not answer"
                time.sleep(0.02)
        yield Nginx(port, plain_port, trust, folder / "access.log")
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _certificate(folder: Path) -> str:
    """The certificate for NAME, which is its own authority; with its key in `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    names = x509.SubjectAlternativeName([x509.DNSName(NAME)])
    signed = made.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem = signed.public_bytes(serialization.Encoding.PEM)
    (folder / "cert.pem").write_bytes(pem)
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    return pem.decode()


class Witness(ThreadingHTTPServer):
    """In a service's place: notes every request and answers as it is told, or hangs up when told None."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on a free port of loopback."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.seen: list[tuple[str, str, list[tuple[str, str]]]] = []
        self.answer: tuple[int, Mapping[str, str], bytes] | None = (200, {}, b"{}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Witness

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self.server.seen.append((self.command, self.path, self.headers.items()))
        if self.server.answer is None:
            self.close_connection = True
            return
        status, headers, body = self.server.answer
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the name is the library's

    def log_message(self, *words: object) -> None:
        """Nothing."""


@pytest.fixture
def start_witness() -> Iterator[Callable[[], Witness]]:
    """Starts a witness, which ends with the test."""
    witnesses = []

    def start() -> Witness:
        witness = Witness()
        Thread(target=witness.serve_forever, args=(0.02,)).start()
        witnesses.append(witness)
        return witness

    yield start
    for witness in witnesses:
        witness.shutdown()
        witness.server_close()
