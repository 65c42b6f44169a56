"""What the programs of the peers share: runs at once for a time, runs one after the other, and one
line of JSON that says how they went.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from statistics import median

STEPS = 5
QUESTION = "Which three checks would you run first, and why?"
WARM_UP_S = 1.0
SEQUENTIAL_S = 3.0

# Takes the question, does one durable run of STEPS steps, and returns what came out of the last.
OneRun = Callable[[str], Awaitable[str]]


async def measure(one_run: OneRun, at_once: int, duration_s: float) -> dict[str, float]:
    """runs_per_s: with so many at once. p50_ms: of runs one after the other."""
    await _runs_per_s(one_run, at_once, WARM_UP_S)
    return {
        "runs_per_s": await _runs_per_s(one_run, at_once, duration_s),
        "p50_ms": await _sequential_p50_ms(one_run),
    }


def report(package: str, seen: dict[str, float]) -> None:
    print(json.dumps({"version": version(package), **seen}), flush=True)


async def _runs_per_s(one_run: OneRun, at_once: int, duration_s: float) -> float:
    began_at = time.perf_counter()
    ends_at = began_at + duration_s
    ended = 0

    async def run_for_ever() -> None:
        nonlocal ended
        while time.perf_counter() < ends_at:
            await _checked(one_run)
            ended += 1

    await asyncio.gather(*(run_for_ever() for _ in range(at_once)))
    return ended / (time.perf_counter() - began_at)


async def _sequential_p50_ms(one_run: OneRun) -> float:
    took_s: list[float] = []
    ends_at = time.perf_counter() + SEQUENTIAL_S
    while not took_s or time.perf_counter() < ends_at:
        began_at = time.perf_counter()
        await _checked(one_run)
        took_s.append(time.perf_counter() - began_at)
    return median(took_s) * 1000


async def _checked(one_run: OneRun) -> None:
    answer = await one_run(QUESTION)
    if answer != QUESTION:
        raise AssertionError(f"a run ended with {answer!r}")
