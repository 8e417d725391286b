"""The shipped configuration of nginx, in a real one, in front of real services with fake engines."""

import asyncio
import json
import re
import ssl
import threading
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest
import uvicorn

from rag.settings import ServerSettings

SHIPPED = Path(__file__).parents[2] / "deploy" / "nginx"
NAME = "rag.example.com"  # as it stands there
# The bare model: which service answers does not depend on what is found.
BODY = {"model": "tiny:plain", "messages": [{"role": "user", "content": "Hello?"}]}
CHAT = "/v1/chat/completions"
KEYS = [f"key-{number}" for number in range(16)]


@pytest.fixture(scope="module")
def services(serve_fake):
    """Two services: their URLs and their engines."""
    with serve_fake("Yes.") as first, serve_fake("Yes.") as second:
        yield first, second


@pytest.fixture
def nginx(services, start_nginx):
    return start_nginx([url for url, _ in services])


def test_each_piece_of_a_stream_leaves_before_the_engine_makes_the_next(serve_fake, start_nginx) -> None:
    said = threading.Semaphore(0)

    def gated(stream):
        async def each(*given, **options) -> AsyncGenerator:
            async for delta in stream(*given, **options):
                await asyncio.to_thread(said.acquire, timeout=60)
                yield delta

        return each

    with serve_fake("abcdefghijklmno") as (url, engine):
        engine.stream = gated(engine.stream)
        said.release()  # an answer begins with its first piece
        body = {**BODY, "stream": True}
        with start_nginx([url]).client() as client, client.stream("POST", CHAT, json=body) as answer:
            events = (json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: {"))
            texts = (event["choices"][0]["delta"].get("content") for event in events if event["choices"])
            pieces = filter(None, texts)
            got = []
            for _ in range(3):
                got.append(next(pieces))
                said.release()  # the engine goes on only now that all before has arrived
            said.release(100)
            assert got == ["abc", "def", "ghi"]


def by_service(client, services, path, body, **headers) -> tuple[int, ...]:
    """How many prompts each engine got by one request."""
    before = [len(engine.prompts) for _, engine in services]
    answer = client.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return tuple(len(engine.prompts) - n for (_, engine), n in zip(services, before, strict=True))


def test_a_key_and_a_collection_stay_with_one_service(nginx, services) -> None:
    homes = {}
    for _ in range(2):
        for key in KEYS:
            with nginx.client(key) as client:
                for collection in ("", "manuals"):
                    named = {"x-rag-collection": collection} if collection else {}
                    went = by_service(client, services, CHAT, BODY, **named)
                    assert homes.setdefault((key, collection), went) == went
    assert set(homes.values()) == {(1, 0), (0, 1)}

    with nginx.client() as client:  # a conversation by id lies in one service, whatever its collection
        body = {"model": "tiny:plain", "input": "Hello?"}
        went = {
            by_service(client, services, "/v1/responses", body, **{"x-rag-collection": f"c{number}"})
            for number in range(8)
        }
    assert len(went) == 1


def test_when_a_service_is_gone_the_other_answers(serve_fake, start_nginx) -> None:
    with serve_fake("Yes.") as (first, engine):
        with serve_fake("Yes.") as (second, _):
            nginx = start_nginx([first, second])
        before = len(engine.prompts)
        for key in KEYS:  # some of these had their home there
            with nginx.client(key) as client:
                assert client.post(CHAT, json=BODY).status_code == 200
                assert client.post("/v1/responses", json={"model": "tiny:plain", "input": "Hi?"}).status_code == 200
        assert len(engine.prompts) - before == 2 * len(KEYS)
    with nginx.client() as client:
        answer = client.post(CHAT, json=BODY)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["error"]["code"] == "service_unavailable"


def test_what_a_dying_service_has_got_is_repeated_only_where_that_changes_nothing(start_witness, start_nginx) -> None:
    dying, living = start_witness(), start_witness()
    nginx = start_nginx([dying.url, living.url], {"max_fails=2": "max_fails=0"})
    dying.answer = None

    def asked(method, path) -> list[int]:
        dying.seen.clear()
        living.seen.clear()
        statuses = []
        for key in KEYS:
            with nginx.client(key) as client:
                statuses.append(client.request(method, path).status_code)
        assert dying.seen, "no key has its home there"
        return statuses

    for path in (CHAT, "/v1/completions", "/v1/embeddings"):
        assert set(asked("POST", path)) == {200}
        assert len(living.seen) == len(KEYS)
    assert set(asked("GET", "/v1/models")) == {200}
    for path in ("/v1/responses", "/warm"):
        statuses = asked("POST", path)
        assert statuses.count(503) == len(dying.seen)
        assert len(living.seen) == statuses.count(200) == len(KEYS) - len(dying.seen)
    for path in ("/v1/files", "/v1/vector_stores", "/v1/vector_stores/vs_1/search"):
        assert set(asked("POST", path)) == {503}
        assert (len(dying.seen), len(living.seen)) == (len(KEYS), 0)


def test_a_service_that_is_not_ready_hands_over_and_its_own_words_pass(start_witness, start_nginx) -> None:
    starting, ready = start_witness(), start_witness()
    nginx = start_nginx([starting.url, ready.url], {"max_fails=2": "max_fails=0"})
    said = b'{"error":{"code":"engine_unavailable"}}'
    starting.answer = (503, {"retry-after": "17", "content-type": "application/json"}, said)
    for key in KEYS:
        with nginx.client(key) as client:
            assert client.post(CHAT, json=BODY).status_code == 200
    assert starting.seen
    assert len(ready.seen) == len(KEYS)
    ready.answer = starting.answer
    with nginx.client() as client:
        for path in (CHAT, "/v1/responses", "/v1/files"):
            answer = client.post(path, json=BODY)
            assert (answer.status_code, answer.headers["retry-after"], answer.content) == (503, "17", said)


def test_the_limit_of_a_key_passes_as_the_service_says_it(serve_fake, start_nginx, data_dir, make_key) -> None:
    key = make_key("chat", limits={"requests_per_minute": 1})
    with serve_fake("Yes.", settings={"data_dir": data_dir}) as (url, _), start_nginx([url]).client(key) as client:
        assert client.post(CHAT, json=BODY).status_code == 200
        refused = client.post(CHAT, json=BODY)
        assert refused.status_code == 429
        assert 1 < int(refused.headers["retry-after"]) <= 60
        assert refused.json()["error"]["type"] == "requests"
        assert client.get("/v1/models", headers={"authorization": "Bearer wrong"}).status_code == 401


def test_floods_of_a_key_are_stopped_in_front(start_witness, start_nginx) -> None:
    service = start_witness()
    slow = {"rate=50r/s": "rate=1r/m", "zone=rag_keys burst=200": "zone=rag_keys burst=1"}
    nginx = start_nginx([service.url], slow)
    with nginx.client("a") as client:
        assert [client.post(CHAT).status_code for _ in range(2)] == [200, 200]
        refused = client.post(CHAT)
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["strict-transport-security"]
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert client.get("/ready").status_code == 200
    with nginx.client("b") as client:
        assert client.post(CHAT).status_code == 200
    assert len(service.seen) == 4


def test_a_large_upload_passes_and_a_large_body_does_not(nginx) -> None:
    megabyte = b"A line of a large file, which is stored as it is.\n" * 20_972
    with nginx.client() as client:
        upload = {"file": ("large.txt", megabyte * 24)}
        stored = client.post("/v1/files", files=upload, data={"purpose": "assistants"})
        assert stored.status_code == 200, stored.text
        assert stored.json()["bytes"] == 24 * len(megabyte)
        content = client.get(f"/v1/files/{stored.json()['id']}/content")
        assert len(content.content) == 24 * len(megabyte)
        refused = client.post(CHAT, content=megabyte * 11, headers={"content-type": "application/json"})
        assert refused.status_code == 413
        assert refused.json()["error"]["code"] == "request_too_large"


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "//metrics", "/%6detrics", "/v1/../metrics", "/./metrics?x"])
def test_metrics_are_closed_from_outside(services, nginx, path) -> None:
    assert "rag_requests" in httpx2.get(f"{services[0][0]}/metrics", trust_env=False).text
    with nginx.raw() as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"rag_requests" not in answer


def test_engines_are_changed_by_nobody_from_outside(services, nginx) -> None:
    assert httpx2.get(f"{services[0][0]}/engines", trust_env=False).json()["engines"]
    with nginx.client() as client:
        for path in ("/engines", "/engines/remove"):
            refused = client.post(path, json={"engine": "fake://engine"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")


def test_nothing_but_tls_and_nothing_but_its_name(nginx) -> None:
    plain = f"http://127.0.0.1:{nginx.plain_port}"
    assert httpx2.post(f"{plain}{CHAT}", json=BODY, trust_env=False).status_code == 403
    shown = httpx2.get(f"{plain}/v1/models?a=b", headers={"host": NAME}, trust_env=False)
    assert (shown.status_code, shown.headers["location"]) == (301, f"https://{NAME}/v1/models?a=b")
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        nginx.raw("elsewhere.example.com")
    nginx.trust.set_alpn_protocols(["h2"])
    with nginx.raw() as connection:
        assert connection.selected_alpn_protocol() == "h2"
        assert connection.version() == "TLSv1.3"


def test_what_a_client_says_of_itself_does_not_reach_the_service(start_witness, start_nginx) -> None:
    service = start_witness()
    service.answer = (200, {"x-content-type-options": "nosniff", "server": "any"}, b"{}")
    nginx = start_nginx([service.url])
    said = {
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "evil.example",
        "x-real-ip": "203.0.113.9",
        "forwarded": "for=203.0.113.9",
        "x_rag_collection": "manuals",
        "proxy": "http://evil.example",
        "proxy-authorization": "Basic secret",
        "te": "trailers",
        "upgrade": "h2c",
        "x-request-id": "mine",
    }
    with nginx.client() as client:
        answer = client.post(CHAT, json=BODY, headers=said)
    [(_, _, headers)] = service.seen
    names = [name.lower() for name, _ in headers]
    got = {name.lower(): value for name, value in headers}
    assert len(names) == len(got), "a header stands twice"
    assert got["x-forwarded-for"] == got["x-real-ip"] == "127.0.0.1"
    assert (got["x-forwarded-proto"], got["host"], got["x-request-id"]) == ("https", f"{NAME}:{nginx.port}", "mine")
    dropped = {"x-forwarded-host", "forwarded", "proxy", "proxy-authorization", "te", "upgrade", "connection"}
    assert not {*dropped, "x_rag_collection"} & {*got}
    assert answer.headers["server"] == "nginx"
    for name in ("strict-transport-security", "x-content-type-options", "x-frame-options", "referrer-policy"):
        assert len(answer.headers.get_list(name)) == 1, name


@pytest.mark.parametrize(
    "ambiguous",
    [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n\r\nXY",
        "Content-Length: +1\r\n\r\nX",
        f"Host: {NAME}\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_request_that_can_be_read_in_two_ways_goes_nowhere(start_witness, start_nginx, ambiguous) -> None:
    service = start_witness()
    with start_nginx([service.url]).raw() as connection:
        connection.sendall(f"POST {CHAT} HTTP/1.1\r\nHost: {NAME}\r\n{ambiguous}".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.match(rb"HTTP/1\.1 (400|501) ", answer)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert not service.seen


def test_links_of_citations_lead_back_through_it_and_its_log_has_no_secret(serve_fake, start_nginx) -> None:
    with serve_fake("You can return it within 30 days [1].") as (url, _):
        nginx = start_nginx([url])
        question = {"model": "tiny", "messages": [{"role": "user", "content": "How long do refunds take?"}]}
        with nginx.client("hidden-key") as client:
            citation = client.post(CHAT, json=question).json()["rag"]["citations"][0]
            link = citation["url"]
            assert link.startswith(f"https://{NAME}:{nginx.port}/v1/sources/")
            page = client.get(link.removeprefix(f"https://{NAME}:{nginx.port}"), headers={"accept": "text/html"})
            assert page.status_code == 200
            assert "default-src 'none'" in page.headers["content-security-policy"]
        end = time.monotonic() + 30
        while len(lines := nginx.log.read_text().splitlines()) < 2:  # written when an answer has ended
            assert time.monotonic() < end
            time.sleep(0.02)
    assert not [word for word in ("hidden-key", "sig=", "refunds") if word in "".join(lines)]
    entries = [json.loads(line) for line in lines]
    assert [entry["path"] for entry in entries] == [CHAT, page.url.path]
    assert entries[1]["request_id"] == page.headers["x-request-id"]


def test_its_numbers_are_those_of_the_service() -> None:
    text = "".join(file.read_text("utf-8") for file in sorted(SHIPPED.rglob("*.conf")))
    server = ServerSettings()
    sizes = re.findall(r"client_max_body_size (\d+)(m|k);", text)
    assert [int(n) * {"m": 2**20, "k": 2**10}[unit] for n, unit in sizes] == [
        server.max_body_bytes,
        server.max_upload_bytes + 64 * 2**10,
    ]
    assert max(map(int, re.findall(r"proxy_read_timeout (\d+)s", text))) > server.request_timeout_s
    idle = re.findall(r"keepalive_timeout (\d+)s", (SHIPPED / "conf.d" / "prefixrag-services.conf").read_text("utf-8"))
    assert len(idle) == 2
    assert max(map(int, idle)) < uvicorn.Config("any").timeout_keep_alive
