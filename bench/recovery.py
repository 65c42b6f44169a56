"""`agentledger up` is killed with a thousand runs under way, and started again.

Each run stands in the middle of its chain: the intent of its third step is stored, its outcome is
not. That attempt would last for minutes; the one after it, which a restart makes, answers at once.
"""

import subprocess
import sys
import time
from collections.abc import Mapping
from typing import LiteralString

import httpx

from bench.engine import QUESTION, STEP, chain
from bench.many_runs import start_runs, tenant_headers, wait_for_count
from bench.report import ROUNDS, Figure, Measurement, at_most
from bench.stage import ROOT, BenchFailed, Stage, up_process
from bench.whole_product import caught_up_s
from domain.identifiers import JsonObject
from infra.settings import Settings

NAME = "recovery"
RUNS = 1000
START_MAX_S = 60
FINISH_MAX_S = 120
PAGE = 100
IN_THE_MIDDLE: JsonObject = {
    "config": {
        "model": "offline/script",
        "prompt": "{{ input.question }}",
        "parameters": {"script": [{"text": "too late", "delay_s": 600}, {"text": "at last"}]},
    },
    "timeout_s": 900.0,
    "retry": {"max_attempts": 2, "initial_backoff_s": 0.0},
}
DEFINITION = chain([STEP, STEP, IN_THE_MIDDLE, STEP, STEP])
# Only the step in the middle has an intent: the others are repeatable.
STARTED: LiteralString = (
    "SELECT count(*) FROM agentledger.events WHERE topic = 'execution.node_started'"
)
OPEN: LiteralString = "SELECT count(*) FROM agentledger.open_executions"
QUERY = """
query Ended($workflow: ID!, $after: String) {
  executions(first: 100, after: $after, filter: {workflowId: $workflow}) {
    edges { node { status output } }
    pageInfo { hasNextPage endCursor }
  }
}
"""


async def measure(stage: Stage) -> Measurement:
    seen = [await _one_round(stage, number) for number in range(ROUNDS)]
    return Measurement(
        NAME,
        f"kill -9 of `up` with {RUNS:,} runs under way, and its restart",
        [
            Figure("from the restart until all have ended", "s", [s[0] for s in seen], at_most(10)),
            Figure("  until the read models know it too", "s", [s[1] for s in seen]),
        ],
        [
            "each run had stored the intent of its third step of five, and not the outcome",
            f"AGENTLEDGER_WORKER_ATTEMPTS_MAX={RUNS}, so that all of them can be in the middle",
            "the clock starts with the new process; the old one's leases may still have to run out",
            "all results were read through GraphQL, and `agentledger verify` found nothing broken",
        ],
    )


async def _one_round(stage: Stage, number: int) -> tuple[float, float]:
    installed = await stage.installation(f"recovery_{number}")
    # A run that waits for its turn would stand at its first step, not in the middle.
    settings = installed.model_copy(update={"worker_attempts_max": RUNS})
    async with up_process(stage, settings) as (started, url, key):
        workflow_id = await start_runs(url, tenant_headers(key), DEFINITION, RUNS)
        await wait_for_count(settings, STARTED, RUNS, wait_max_s=START_MAX_S)
        started.kill()
        await started.wait()
    restarted_at = time.perf_counter()
    async with up_process(stage, settings) as (_, url, key):
        await wait_for_count(settings, OPEN, 0, wait_max_s=FINISH_MAX_S)
        ended_s = time.perf_counter() - restarted_at
        await caught_up_s(settings)
        readable_s = time.perf_counter() - restarted_at
        await _require_results(url, tenant_headers(key), workflow_id)
        _require_promises_kept(stage, settings)
    return ended_s, readable_s


async def _require_results(url: str, headers: Mapping[str, str], workflow_id: str) -> None:
    """Raises BenchFailed unless GraphQL shows every run with its result."""
    count, after = 0, None
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=START_MAX_S) as client:
        while True:
            variables = {"workflow": workflow_id, "after": after}
            answer = await client.post("/graphql", json={"query": QUERY, "variables": variables})
            page = answer.json()["data"]["executions"]
            for edge in page["edges"]:
                if edge["node"] != {"status": "COMPLETED", "output": QUESTION}:
                    raise BenchFailed(f"a run ended with {edge['node']}")
            count += len(page["edges"])
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
    if count != RUNS:
        raise BenchFailed(f"GraphQL shows {count} of {RUNS} runs")


def _require_promises_kept(stage: Stage, settings: Settings) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "cli", "verify"],
        cwd=ROOT,
        env=stage.environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        raise BenchFailed(f"agentledger verify: {told.stdout}{told.stderr}")
