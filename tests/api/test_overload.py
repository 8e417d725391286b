"""Far more requests than the service can serve: none fails, some are told so, and then all is as before."""

import asyncio

import httpx2

from rag.bench.openloop.arms import ServiceArm
from rag.bench.openloop.arrivals import poisson
from rag.bench.openloop.run import Limits, send

OBJECTIVE_S = 0.5
TOKEN_S, N_TOKENS, PLACES = 0.02, 20, 2
CAPACITY = PLACES / (TOKEN_S * N_TOKENS)  # requests in a second: 5 at most


def test_five_times_the_capacity_is_no_outage(serve_fake) -> None:
    """How fast it is, `rag bench load --rate` measures: this machine may be busy with other things."""
    settings = {"server": {"max_concurrent": PLACES, "first_token_objective_s": OBJECTIVE_S}}
    with serve_fake("word " * N_TOKENS, settings=settings, token_s=TOKEN_S) as (url, _):
        arm = ServiceArm(url=f"{url}/v1/chat/completions", headers={}, model="tiny", questions=["How long?"])
        over = asyncio.run(send(arm, poisson(5 * CAPACITY, seconds=4, answer_tokens=N_TOKENS), Limits()))
        after = [asyncio.run(send(arm, poisson(1, seconds=1, answer_tokens=2)[:1], Limits())) for _ in range(3)]
        metrics = httpx2.get(f"{url}/metrics").text

    assert over.n_failed == 0
    assert over.n_whole + over.n_shed == over.n_sent
    assert over.n_shed > over.n_sent / 4
    assert all(each.n_whole == each.n_sent for each in after)
    assert 'rag_shed_requests_total{priority="normal",reason="too_late"}' in metrics
