"""`make demo`: the sample documents, the embedded models, a real vLLM, three questions."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import OpenAI

from rag.bench.service import local_token, rag, running_service
from rag.bench.stats import percentile
from rag.errors import RagError
from rag.evaluate.questions import pick, read_questions

_SAMPLE = Path("data/sample")
_DATA_DIR = Path("data")
_COLLECTION = "sample"
_QUESTIONS = Path("data/questions")
_N_QUESTIONS = 3
_SEED = 1


@dataclass(frozen=True, slots=True)
class Answered:
    """One question's figures."""

    first_token_ms: float
    text: str
    rag: dict[str, Any]  # the service's own JSON


def main() -> int:
    """Run the demonstration. 0 only if every question was answered and tokens were reused."""
    try:
        print(f"1. Ingesting {_SAMPLE}", flush=True)
        rag("ingest", str(_SAMPLE), "-c", _COLLECTION, "--data-dir", str(_DATA_DIR))
        print("\n2. Starting the service with its own vLLM (half a minute on a CPU)", flush=True)
        with running_service(_DATA_DIR, log=_DATA_DIR / "run" / "demo-serve.log", arguments=_settings()) as url:
            answers = _ask_all(OpenAI(base_url=f"{url}/v1", api_key=local_token(_DATA_DIR)))
    except RagError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except subprocess.CalledProcessError as error:
        return error.returncode
    return _summary(answers)


def _settings() -> list[str]:
    """Options of a service for the demonstration.

    It computes nothing ahead: the first question then shows what reuse saves the others. And it takes all hits: the
    sample is so small that one passage alone is computed as fast as a slow processor attends to the shared prefix.
    """
    file = _DATA_DIR / "run" / "demo.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[cache]\nwarm = false\n\n[retrieve]\nkeep_ratio = 0.0\n")
    return ["--config", str(file)]


def _ask_all(client: OpenAI) -> list[Answered]:
    model = client.models.list().data[0].id
    print("\n3. Asking, with the official OpenAI client")
    print(f"   The model is {model}: 135 million parameters, sometimes wrong. Any other goes in --model.")
    drawn = pick(read_questions(_QUESTIONS), limit=_N_QUESTIONS, seed=_SEED)
    return [_ask(client, model, question.text) for question in drawn]


def _ask(client: OpenAI, model: str, question: str) -> Answered:
    print(f"\n   Question: {question}\n   Answer:   ", end="", flush=True)
    start = time.perf_counter()
    first_token_ms = 0.0
    text = ""
    extension: dict[str, Any] = {}
    stream = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": question}],
        stream=True,
        temperature=0,
        max_tokens=96,
        extra_body={"rag": {"collection": _COLLECTION}},
    )
    for chunk in stream:
        delta = chunk.choices[0].delta.content if chunk.choices else None
        if delta:
            first_token_ms = first_token_ms or (time.perf_counter() - start) * 1000
            text += delta
            print(delta, end="", flush=True)
        extension = (chunk.model_extra or {}).get("rag", extension)
    print()
    _print_citations(extension)
    reuse = extension["reuse"]
    reused = f"{reuse['cached_tokens']} of {reuse['prompt_tokens']} prompt tokens reused"
    print(f"   {reused}, first token after {first_token_ms:.0f} ms")
    return Answered(first_token_ms, text, extension)


def _print_citations(extension: dict[str, Any]) -> None:
    for citation in extension["citations"]:
        marker = citation["marker"] or "(found)"
        if citation["quote"] is None:
            print(f"   {marker} {citation['document']}: not supported by that passage")
            continue
        anchor = citation["anchor"]
        place = ", ".join(f"{name} {value}" for name, value in anchor.items())
        quote = " ".join(citation["quote"].split())
        print(f'   {marker} {citation["document"]} ({place}): "{quote}" [{citation["status"]}]')
    if not extension["citations"]:
        print("   No statement of this answer is found in the documents, so nothing is cited.")


def _summary(answers: list[Answered]) -> int:
    cold, *warm = [answer.first_token_ms for answer in answers]
    warm_ms = percentile(warm, 0.5)
    reused = sum(answer.rag["reuse"]["cached_tokens"] or 0 for answer in answers)
    cited = sum(bool(answer.rag["citations"]) for answer in answers)
    print(f"\n4. First token cold {cold:.0f} ms, warm {warm_ms:.0f} ms: {cold / warm_ms:.0f} times sooner.")
    print(f"   {reused} tokens were not computed again; {cited} of {len(answers)} answers carry citations.")
    if reused == 0:
        print("error: no token was reused. See `rag doctor`.", file=sys.stderr)
    return 0 if reused and all(answer.text.strip() for answer in answers) else 1


if __name__ == "__main__":
    sys.exit(main())
