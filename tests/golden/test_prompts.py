"""The prompt's stable parts change only with the layout's version, and a plan is the same tokens on every machine."""

import hashlib
import json
import tomllib
from importlib.resources import files
from pathlib import Path

from rag.models import load_chat_format
from rag.plan import Plan, PlannedTurn
from rag.render import ChatTemplate, ChatTokenizer, Renderer, load_parts
from rag.types import Anchor, Chunk, ChunkId

GOLDEN = Path(__file__).parent / "prompt.json"


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


def test_a_plan_is_these_tokens(tiny_format: Path) -> None:
    chat_format = load_chat_format(str(tiny_format))
    tokenizer = ChatTokenizer(chat_format.tokenizer_json)
    renderer = Renderer(tokenizer, ChatTemplate(tokenizer, chat_format.apply_template), load_parts())
    chunks = [
        Chunk(
            id=ChunkId(str(seq)),
            seq=seq,
            document=f"d{seq}.md",
            title="Ü",
            anchor=Anchor(),
            start=0,
            end=4,
            text="Tide 潮\n",
        )
        for seq in range(3)
    ]
    plan = Plan(
        shared=(chunks[0],),
        application="Be brief.",
        turns=(
            PlannedTurn(question="What?", chunks=(chunks[1],), answer="This. [1]"),
            PlannedTurn(question="Why?", chunks=(chunks[2],)),
        ),
    )
    prompt = renderer.render(plan, {chunk.seq: renderer.passage(chunk) for chunk in chunks})
    made = {
        "text": tokenizer.decode(prompt.token_ids).split("\n"),
        "tokenizer": tokenizer.fingerprint,
        "token_ids": list(prompt.token_ids),
    }
    assert made == json.loads(GOLDEN.read_text("utf-8"))
