"""LangGraph with its PostgreSQL checkpointer: graphs of five nodes, each checkpointed before the
next begins (durability "sync"), one thread per run.

`python -m bench.peers.langgraph_runs URL AT_ONCE DURATION_S`. Needs the packages langgraph and
langgraph-checkpoint-postgres.
"""

# pyright: reportMissingImports=false
# A peer: its packages are not installed here.

import asyncio
import sys
from itertools import pairwise
from typing import TypedDict
from uuid import uuid4

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from bench.peers.drive import STEPS, measure, report

# As many as DBOS has by default, and as LangGraph's own server takes.
CONNECTIONS = 20
# What the saver's own from_conn_string connects with.
CONNECTION = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}


class State(TypedDict):
    question: str


async def answer(state: State) -> State:
    return {"question": state["question"]}


def five_nodes() -> StateGraph:
    names = [f"answer_{number}" for number in range(STEPS)]
    graph = StateGraph(State)
    for name in names:
        graph.add_node(name, answer)
    for source, target in pairwise([START, *names, END]):
        graph.add_edge(source, target)
    return graph


async def main(url: str, at_once: int, duration_s: float) -> None:
    async with AsyncConnectionPool(
        url, min_size=CONNECTIONS, max_size=CONNECTIONS, kwargs=CONNECTION
    ) as pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        graph = five_nodes().compile(checkpointer=saver)

        async def one_run(question: str) -> str:
            thread = {"configurable": {"thread_id": str(uuid4())}}
            ended = await graph.ainvoke({"question": question}, thread, durability="sync")
            return ended["question"]

        report("langgraph", await measure(one_run, at_once, duration_s))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
