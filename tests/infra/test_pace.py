"""How often a consumer begins a batch, in virtual time."""

import asyncio

import pytest

from infra.consumer import REST_MAX_S, Pace
from tests.simulation.loop import run

PACE_S = 0.008


async def begins_after(*, busy_s: float, is_all: bool) -> float:
    """When the next batch begins, from when this one ended."""
    loop = asyncio.get_running_loop()
    pace = Pace(PACE_S)
    await pace.wait()
    await asyncio.sleep(busy_s)
    ended_at = loop.time()
    if is_all:
        pace.handled()
    await pace.wait()
    return loop.time() - ended_at


@pytest.mark.parametrize(
    ("busy_s", "is_all", "rest_s"),
    [
        (0.002, True, PACE_S - 0.002),
        (0.02, True, 0.02),
        (10.0, True, REST_MAX_S),
        (0.02, False, 0.0),
    ],
    ids=["short", "long", "stuck", "more waits"],
)
def test_a_batch_that_took_long_is_followed_by_a_rest_unless_more_waits(
    busy_s: float, is_all: bool, rest_s: float
) -> None:
    assert run(begins_after(busy_s=busy_s, is_all=is_all)) == pytest.approx(rest_s)
