"""What was predicted is held against what the engine reports, and a lasting difference is said once."""

import asyncio

import pytest
from structlog.testing import capture_logs

from rag.engine import EngineInfo, EnginePool, FakeEngine, Slot
from rag.engine.accuracy import Accuracy
from rag.types import Prompt, Sampling


def add(accuracy: Accuracy, *, wrong: int, times: int = 1) -> list[bool]:
    return [accuracy.add(prompt_tokens=100, predicted_tokens=wrong, cached_tokens=0) for _ in range(times)]


def test_the_error_is_that_of_the_last_hundred_requests() -> None:
    accuracy = Accuracy()
    assert accuracy.error is None
    add(accuracy, wrong=50)
    assert accuracy.error == 0.5
    add(accuracy, wrong=0, times=99)
    assert accuracy.error == pytest.approx(0.005)
    add(accuracy, wrong=0)
    assert accuracy.error == 0


def test_it_says_once_that_it_is_off_and_again_after_it_was_right() -> None:
    accuracy = Accuracy()
    assert not any(add(accuracy, wrong=100, times=99))  # too few to tell
    assert add(accuracy, wrong=100, times=3) == [True, False, False]
    assert accuracy.is_off
    assert not any(add(accuracy, wrong=0, times=100))
    assert not accuracy.is_off
    assert add(accuracy, wrong=100, times=6) == [False] * 5 + [True]


class ForgetfulEngine(FakeEngine):
    """Holds less than it says."""

    async def info(self) -> EngineInfo:
        return EngineInfo(model="fake", source="fake", window_tokens=4096, block_size=16, kv_tokens=160_000)


def test_a_pool_whose_predictions_fail_warns_once_without_the_prompt() -> None:
    async def check() -> None:
        real = EngineInfo(model="fake", source="fake", window_tokens=4096, block_size=16, kv_tokens=160)
        slot = Slot(engine=ForgetfulEngine(lambda _: "yes", info=real))
        pool = EnginePool([slot])
        await pool.start()
        for number in range(120):
            prompt = Prompt(token_ids=(number % 10,) * 65, segments=(), shown=(), layout="none")
            async with pool.ticket(prompt, "s", wait_s=1) as ticket:
                async for _ in pool.stream(ticket, Sampling(max_tokens=1), request_id="r"):
                    pass
        await pool.close()
        assert slot.accuracy.is_off

    with capture_logs() as logs:
        asyncio.run(check())
    warnings = [entry for entry in logs if entry["event"] == "prediction_off"]
    assert len(warnings) == 1
    assert warnings[0]["error"] > 0.05
    assert (warnings[0]["mirror"], warnings[0]["n_gaps"]) == ("recency", 0)
