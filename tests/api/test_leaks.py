"""Three groups use every route in any order. None of them sees a text, a name, a count or a cache hit of another.

Every text and name carries its group's own word, so that a leak is found wherever it comes out.
"""

import itertools
import shutil
import time

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

WORDS = {"amber": "zqamber", "birch": "zqbirch", "cobalt": "zqcobalt"}
KINDS = ("stores", "files", "responses", "chunks")
GROUPS = st.sampled_from(sorted(WORDS))
QUESTIONS = st.sampled_from(["When does the ferry leave?", "What does the note say?", "Who wrote it?"])
# What a step does is drawn before it is known what there is: the world outlives an example.
NUMBERS = st.integers(0, 99)
DONE_S = 30


class World:
    """The service, a client for each group, and what each group has made."""

    def __init__(self, url, engine, keys) -> None:
        self.engine = engine
        self.clients = {
            group: httpx2.Client(base_url=url, timeout=30, headers={"authorization": f"Bearer {key}"})
            for group, key in keys.items()
        }
        self.own = {group: {kind: [] for kind in KINDS} for group in keys}
        self.gone = {group: set() for group in keys}
        self.before = {}  # of a response, the one that it continues
        self.salts = {group: set() for group in keys}
        self.numbers = itertools.count()

    def send(self, group, method, path, status=200, **options):
        """The answer to `group`, held against what others have."""
        n_before = len(self.engine.salts)
        response = self.clients[group].request(method, path, **options)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text[:500]}"
        self.salts[group].update(self.engine.salts[n_before:])
        said = response.text + str(response.headers)
        asked = path + str(options)
        for other in self.own.keys() - {group}:
            assert WORDS[other] not in said
            for kind in KINDS:
                assert not [made for made in self.own[other][kind] if made in said and made not in asked]
            assert not self.salts[group] & self.salts[other], "two groups share a cache"
        return response

    def ancestors(self, response) -> set[str]:
        """The responses that `response` stands on, itself included."""
        found = set()
        while response:
            found.add(response)
            response = self.before[response]
        return found


class Leaks(RuleBasedStateMachine):
    """Steps of any group, on the one world that outlives an example."""

    world: World

    @initialize()
    def everybody_has_a_store(self) -> None:
        for group in sorted(WORDS):
            if not self.living(group, "stores"):
                self.add_store(group)

    def living(self, group, kind) -> list[str]:
        return [made for made in self.world.own[group][kind] if made not in self.world.gone[group]]

    def pick(self, n, group, kind):
        made = self.living(group, kind)
        return made[n % len(made)] if made else None

    def add_store(self, group) -> None:
        world, word = self.world, f"{WORDS[group]}{next(self.world.numbers)}"
        text = f"# Note {word}\n\nThe ferry of {word} leaves at seven. The note says {word}.\n"
        files = {"file": (f"{word}.md", text.encode(), "text/markdown")}
        file = world.send(group, "POST", "/v1/files", data={"purpose": "assistants"}, files=files).json()
        world.own[group]["files"].append(file["id"])
        body = {"name": f"store {word}", "file_ids": [file["id"]], "metadata": {"word": word}}
        store = world.send(group, "POST", "/v1/vector_stores", json=body).json()
        world.own[group]["stores"].append(store["id"])
        end = time.monotonic() + DONE_S
        while world.send(group, "GET", f"/v1/vector_stores/{store['id']}").json()["status"] != "completed":
            assert time.monotonic() < end
            time.sleep(0.05)

    @rule(group=GROUPS)
    def store_more(self, group) -> None:
        if len(self.living(group, "stores")) < 4:
            self.add_store(group)

    @rule(group=GROUPS)
    def list_everything(self, group) -> None:
        stores = self.world.send(group, "GET", "/v1/vector_stores?limit=100").json()
        assert {store["id"] for store in stores["data"]} == set(self.living(group, "stores"))
        files = self.world.send(group, "GET", "/v1/files?limit=1000").json()
        assert {file["id"] for file in files["data"]} == set(self.living(group, "files"))
        self.world.send(group, "GET", "/v1/models")

    @rule(group=GROUPS, n=NUMBERS, query=QUESTIONS)
    def search(self, group, n, query) -> None:
        if store := self.pick(n, group, "stores"):
            found = self.world.send(group, "POST", f"/v1/vector_stores/{store}/search", json={"query": query}).json()
            assert all(WORDS[group] in hit["content"][0]["text"] for hit in found["data"])

    @rule(group=GROUPS, n=NUMBERS, question=QUESTIONS, stream=st.booleans())
    def chat(self, group, n, question, stream) -> None:
        if store := self.pick(n, group, "stores"):
            body = {
                "model": "tiny",
                "messages": [{"role": "user", "content": question}],
                "rag": {"collection": store, "include": ["context"]},
                "stream": stream,
            }
            answer = self.world.send(group, "POST", "/v1/chat/completions", json=body)
            if not stream:
                for hit in answer.json()["rag"]["retrieved"]:
                    self.world.send(group, "GET", f"/v1/sources/{hit['chunk_id']}")
                    if hit["chunk_id"] not in self.world.own[group]["chunks"]:
                        self.world.own[group]["chunks"].append(hit["chunk_id"])

    @rule(group=GROUPS, n=NUMBERS, again=st.booleans(), question=QUESTIONS)
    def respond(self, group, n, again, question) -> None:
        if store := self.pick(n, group, "stores"):
            tool = {"type": "file_search", "vector_store_ids": [store]}
            before = self.pick(n, group, "responses") if again else None
            if self.world.ancestors(before) & self.world.gone[group]:
                before = None  # a conversation ends where a part of it was deleted
            body = {
                "model": "tiny",
                "input": f"{question} {WORDS[group]}",
                "tools": [tool],
                "include": ["file_search_call.results"],
                **({"previous_response_id": before} if before else {}),
            }
            answer = self.world.send(group, "POST", "/v1/responses", json=body).json()
            self.world.own[group]["responses"].append(answer["id"])
            self.world.before[answer["id"]] = before
            self.world.send(group, "GET", f"/v1/responses/{answer['id']}/input_items")

    @rule(group=GROUPS, n=NUMBERS, kind=st.sampled_from(["stores", "files", "responses"]))
    def forget(self, group, n, kind) -> None:
        if len(self.living(group, kind)) > 1 and (made := self.pick(n, group, kind)):
            path = {"stores": "vector_stores"}.get(kind, kind)
            self.world.send(group, "DELETE", f"/v1/{path}/{made}")
            self.world.gone[group].add(made)

    @rule(group=GROUPS, other=GROUPS, n=NUMBERS)
    def reach_for_what_is_not_theirs(self, group, other, n) -> None:
        if group == other:
            return
        for kind, made in ((kind, self.pick(n, other, kind)) for kind in KINDS):
            if made:
                for method, path, body in self.ways(kind, made):
                    self.same_as_nothing(group, method, path, body, made)

    def ways(self, kind, made):
        question = {"model": "tiny", "messages": [{"role": "user", "content": "What does the note say?"}]}
        if kind == "stores":
            yield "GET", f"/v1/vector_stores/{made}", None
            yield "POST", f"/v1/vector_stores/{made}", {"name": "mine"}
            yield "POST", f"/v1/vector_stores/{made}/search", {"query": "ferry"}
            yield "GET", f"/v1/vector_stores/{made}/files", None
            yield "DELETE", f"/v1/vector_stores/{made}", None
            yield "POST", "/v1/chat/completions", {**question, "rag": {"collection": made}}
            tool = {"type": "file_search", "vector_store_ids": [made]}
            yield "POST", "/v1/responses", {"model": "tiny", "input": "What?", "tools": [tool]}
        elif kind == "files":
            yield "GET", f"/v1/files/{made}", None
            yield "GET", f"/v1/files/{made}/content", None
            yield "DELETE", f"/v1/files/{made}", None
        elif kind == "responses":
            yield "GET", f"/v1/responses/{made}", None
            yield "GET", f"/v1/responses/{made}/input_items", None
            yield "DELETE", f"/v1/responses/{made}", None
            yield "POST", "/v1/responses", {"model": "tiny", "input": "And?", "previous_response_id": made}
        else:
            yield "GET", f"/v1/sources/{made}", None
            yield "GET", f"/v1/sources/{made}/document", None

    def same_as_nothing(self, group, method, path, body, made) -> None:
        """What is another's gives the words that a made-up id gives, but for the id."""
        nothing = made[:-6] + "000000"
        answers = []
        for name in (made, nothing):
            options = {} if body is None else {"json": _named(body, made, name)}
            response = self.world.clients[group].request(method, path.replace(made, name), **options)
            answers.append((response.status_code, response.text.replace(name, "ID")))
        assert answers[0] == answers[1]
        assert answers[0][0] in {400, 404}
        for other in WORDS.keys() - {group}:
            assert WORDS[other] not in answers[0][1]


def _named(value, made, name):
    if isinstance(value, dict):
        return {key: _named(inner, made, name) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(inner, made, name) for inner in value]
    return name if value == made else value


@pytest.mark.timeout(600)
def test_no_group_sees_what_another_has(serve_fake, key_in, sample_data_dir, tmp_path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(sample_data_dir, folder)
    scopes = ("chat", "embeddings", "ingest")
    keys = {group: key_in(folder, *scopes, group=group) for group in WORDS}
    with serve_fake("It leaves at seven. [1]", settings={"data_dir": folder}) as (url, engine):
        world = World(url, engine, keys)

        class OfThisWorld(Leaks):
            pass

        OfThisWorld.world = world
        run_state_machine_as_test(
            OfThisWorld,
            settings=settings(
                max_examples=15,
                stateful_step_count=40,
                derandomize=True,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
        for client in world.clients.values():
            client.close()
    assert all(world.own[group]["chunks"] and world.own[group]["responses"] for group in WORDS), "it did nothing"
