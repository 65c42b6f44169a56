"""The peer of `runs`: DBOS Transact, durable workflows of five steps on PostgreSQL.

`python -m bench.dbos_runs URL AT_ONCE DURATION_S` prints {"runs_per_s"}. Needs the package dbos.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from dbos import DBOS  # pyright: ignore[reportMissingImports] # a peer, installed by who wants it

STEPS = 5
WARM_UP_S = 1.0
QUESTION = "Which three checks would you run first, and why?"


@DBOS.step()
def answer(question: str) -> str:
    return question


@DBOS.workflow()
def five_steps(question: str) -> str:
    for _ in range(STEPS):
        question = answer(question)
    return question


def runs_per_s(at_once: int, duration_s: float) -> float:
    began_at = time.perf_counter()
    ends_at = began_at + duration_s

    def run_for_ever() -> int:
        ended = 0
        while time.perf_counter() < ends_at:
            five_steps(QUESTION)
            ended += 1
        return ended

    with ThreadPoolExecutor(at_once) as threads:
        running = [threads.submit(run_for_ever) for _ in range(at_once)]
        ended = sum(thread.result() for thread in running)
    return ended / (time.perf_counter() - began_at)


def main() -> int:
    url, at_once, duration_s = sys.argv[1:]
    DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR"})
    DBOS.launch()
    try:
        runs_per_s(int(at_once), WARM_UP_S)
        print(json.dumps({"runs_per_s": runs_per_s(int(at_once), float(duration_s))}))
    finally:
        DBOS.destroy()
    return 0


if __name__ == "__main__":
    sys.exit(main())
