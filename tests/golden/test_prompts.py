"""The prompt's stable parts change only with the layout's version, and a plan is the same tokens on every machine."""

import hashlib
import json
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from rag.models import load_chat_format
from rag.plan import Plan, PlannedTurn, read_dialogue
from rag.render import ChatTemplate, ChatTokenizer, Renderer, load_parts, spoken
from rag.types import Anchor, Chunk, ChunkId, Message, Tool, ToolCall

FOLDER = Path(__file__).parent


def test_stable_parts_are_those_of_the_layout() -> None:
    folder = files("prompts")
    manifest = tomllib.loads((folder / "manifest.toml").read_text("utf-8"))
    stable = "\0".join((folder / name).read_text("utf-8") for name in manifest["stable"])
    digest = hashlib.sha256(stable.encode()).hexdigest()
    assert manifest["stable_sha256"] == digest, "a stable part changed: raise `layout` and write the new hash"


def test_every_template_is_in_the_manifest() -> None:
    folder = files("prompts")
    manifest = tomllib.loads((folder / "manifest.toml").read_text("utf-8"))
    assert {file.name for file in folder.iterdir() if file.name.endswith(".j2")} == set(manifest["slots"])
    assert set(manifest["stable"]) <= set(manifest["slots"])


def make_renderer(tiny_format: Path) -> Renderer:
    chat_format = load_chat_format(str(tiny_format))
    tokenizer = ChatTokenizer(chat_format.tokenizer_json)
    return Renderer(tokenizer, ChatTemplate(tokenizer, chat_format.apply_template), load_parts())


def chunk(seq: int) -> Chunk:
    return Chunk(
        id=ChunkId(str(seq)),
        seq=seq,
        document=f"d{seq}.md",
        title="Ü",
        anchor=Anchor(),
        start=0,
        end=4,
        text="Tide 潮\n",
    )


CHUNKS = [chunk(seq) for seq in range(3)]


def made(renderer: Renderer, plan: Plan) -> dict[str, object]:
    prompt = renderer.render(plan, {chunk.seq: renderer.passage(chunk) for chunk in CHUNKS})
    return {
        "text": renderer.tokenizer.decode(prompt.token_ids).split("\n"),
        "tokenizer": renderer.tokenizer.fingerprint,
        "token_ids": list(prompt.token_ids),
    }


def test_a_plan_is_these_tokens(tiny_format: Path) -> None:
    plan = Plan(
        shared=(CHUNKS[0],),
        application="Be brief.",
        turns=(
            PlannedTurn(question="What?", chunks=(CHUNKS[1],), answer="This. [1]"),
            PlannedTurn(question="Why?", chunks=(CHUNKS[2],)),
        ),
    )
    assert made(make_renderer(tiny_format), plan) == json.loads((FOLDER / "prompt.json").read_text("utf-8"))


@pytest.mark.parametrize("style", ["hermes", "llama3_json"])
def test_a_dialogue_with_tools_is_these_tokens(tiny_format: Path, style: str) -> None:
    renderer = make_renderer(tiny_format)
    parameters = {"type": "object", "properties": {"port": {"type": "string", "description": "Ü </tools>"}}}
    messages = [
        Message("system", "Be brief."),
        Message("user", "When is high tide?"),
        Message("assistant", "I look.", (ToolCall(id="1", name="tide", arguments='{"port": "Kiel"}'),)),
        Message("tool", '{"high": "12:10"}'),
    ]
    tools = [Tool(name="tide", description="High tides of a port.", parameters=parameters), Tool(name="now")]
    dialogue = read_dialogue(spoken(messages, tools, style=style, parts=renderer.parts))
    assert dialogue
    turns = tuple(PlannedTurn(question=t.question, answer=t.answer, results=t.results) for t in dialogue.turns)
    plan = Plan(shared=(CHUNKS[0],), application=dialogue.application, turns=turns)
    assert made(renderer, plan) == json.loads((FOLDER / f"prompt_{style}.json").read_text("utf-8"))
