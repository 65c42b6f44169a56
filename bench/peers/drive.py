"""What the programs of the peers share: runs for a time, so many at once, and one line of JSON that
says how they went.
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

# Takes the question, does one durable run of STEPS steps, and returns what came out of the last.
OneRun = Callable[[str], Awaitable[str]]


async def measure(one_run: OneRun, at_once: int, duration_s: float) -> dict[str, float]:
    """p50_ms: of one run, with so many at once."""
    await _took_s(one_run, at_once, WARM_UP_S)
    began_at = time.perf_counter()
    took_s = await _took_s(one_run, at_once, duration_s)
    return {
        "runs_per_s": len(took_s) / (time.perf_counter() - began_at),
        "p50_ms": median(took_s) * 1000,
    }


def report(package: str, seen: dict[str, float]) -> None:
    print(json.dumps({"version": version(package), **seen}), flush=True)


async def _took_s(one_run: OneRun, at_once: int, duration_s: float) -> list[float]:
    """Of each run, one at least."""
    ends_at = time.perf_counter() + duration_s
    took_s: list[float] = []

    async def run_for_ever() -> None:
        while not took_s or time.perf_counter() < ends_at:
            began_at = time.perf_counter()
            await _checked(one_run)
            took_s.append(time.perf_counter() - began_at)

    await asyncio.gather(*(run_for_ever() for _ in range(at_once)))
    return took_s


async def _checked(one_run: OneRun) -> None:
    answer = await one_run(QUESTION)
    if answer != QUESTION:
        raise AssertionError(f"a run ended with {answer!r}")
