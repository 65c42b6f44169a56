"""DBOS Transact: workflows of five steps, each recorded in PostgreSQL before the next.

`python -m bench.peers.dbos_runs URL AT_ONCE DURATION_S`. Needs the package dbos.
"""

import asyncio
import sys

from dbos import DBOS  # pyright: ignore[reportMissingImports] # a peer, not installed here

from bench.peers.drive import STEPS, measure, report


@DBOS.step()
async def answer(question: str) -> str:
    return question


@DBOS.workflow()
async def five_steps(question: str) -> str:
    for _ in range(STEPS):
        question = await answer(question)
    return question


async def main(url: str, at_once: int, duration_s: float) -> None:
    DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR"})
    DBOS.launch()
    try:
        report("dbos", await measure(five_steps, at_once, duration_s))
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
