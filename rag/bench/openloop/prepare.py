"""The arms of a load, over a service that runs."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import httpx2

from rag.bench.load import WORDS
from rag.bench.openloop.arms import Arm, EngineArm, ServiceArm
from rag.bench.stats import percentile
from rag.errors import ConfigError, EngineError

ARMS = ("service", "engine", "engine-cold")
_SEED = 20261128
_SAMPLED = 8  # questions from which prompt sizes are taken
_MADE_UP = 2000


def make_arms(names: Sequence[str], url: str, questions: Sequence[str], token: str) -> list[Arm]:
    """The arms of these names: the service at `url`, its first engine, and the same engine without reuse.

    The engine is sent as many cached and new tokens as the service sends at the median; without reuse all are new.

    Raises:
        EngineError: the service does not answer.
        ConfigError: there is no arm of this name.
    """
    if unknown := sorted(set(names) - set(ARMS)):
        raise ConfigError(f"There is no arm {unknown[0]!r}. There are {', '.join(ARMS)}.")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    with httpx2.Client(timeout=600.0, trust_env=False, headers=headers) as client:
        engine = client.get(f"{url}/ready").json()["engines"][0]
        client.post(f"{url}/warm", json={}).raise_for_status()
        reuse = [_reuse(client, url, engine["model"], question) for question in questions[:_SAMPLED]]
    n_prompt, n_cached = (
        int(percentile([each[name] for each in reuse], 0.5)) for name in ("prompt_tokens", "cached_tokens")
    )
    engine_url, model = f"{engine['url'].rstrip('/')}/v1/completions", engine["model"]
    service = ServiceArm(url=f"{url}/v1/chat/completions", headers=headers, model=model, questions=questions)
    made: dict[str, Arm] = {
        "service": service,
        "engine": EngineArm(
            name="engine", url=engine_url, model=model, n_cached=n_cached, n_new=max(1, n_prompt - n_cached)
        ),
        "engine-cold": EngineArm(name="engine-cold", url=engine_url, model=model, n_cached=0, n_new=n_prompt),
    }
    return [made[name] for name in names]


def made_up_questions() -> list[str]:
    """Questions of words of the made-up collection, none asked twice."""
    draw = random.Random(_SEED)  # noqa: S311 - no secret
    return [" ".join(draw.choices(WORDS, k=12)) + "?" for _ in range(_MADE_UP)]


def read_questions(file: Path) -> list[str]:
    """The questions of a file of JSON lines with `query` or `question`.

    Raises:
        ConfigError: the file has none.
    """
    try:
        entries = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        questions = [entry.get("query") or entry["question"] for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"The questions {str(file)!r} cannot be read: {error!r}. Name JSON lines with `query` or `question`."
        ) from None
    if not questions:
        raise ConfigError(f"The file {str(file)!r} has no questions. Name JSON lines with `query` or `question`.")
    return questions


def _reuse(client: httpx2.Client, url: str, model: str, question: str) -> dict[str, float]:
    body = {"model": model, "messages": [{"role": "user", "content": question}], "max_tokens": 1, "temperature": 0}
    answer = client.post(f"{url}/v1/chat/completions", json=body)
    if answer.status_code != httpx2.codes.OK:
        raise EngineError(f"{url} answers with status {answer.status_code}: {answer.text[:200]!r}.")
    reuse: dict[str, float] = answer.json()["rag"]["reuse"]
    return {**reuse, "cached_tokens": reuse["cached_tokens"] or 0}
