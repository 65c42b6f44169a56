"""Temporal: workflows of five activities, or of five local activities, which are recorded together
with the workflow task that ran them. Client and worker are this process.

`python -m bench.peers.temporal_runs ADDRESS AT_ONCE DURATION_S VARIANT`. Needs the package
temporalio, and a server; the namespace `default` is made when there is none.
"""

# pyright: reportMissingImports=false
# A peer: its packages are not installed here.

import asyncio
import sys
import time
from datetime import timedelta
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    RegisterNamespaceRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bench.peers.drive import QUESTION, STEPS, measure, report

NAMESPACE = "default"
QUEUE = "bench"
RETENTION = timedelta(days=1)
STEP_MAX = timedelta(seconds=30)
READY_WAIT_S = 60
READY_POLL_S = 0.2
AT_ONCE_MAX = 200


@activity.defn
async def answer(question: str) -> str:
    return question


@workflow.defn
class Activities:
    @workflow.run
    async def run(self, question: str) -> str:
        for _ in range(STEPS):
            question = await workflow.execute_activity(
                answer, question, start_to_close_timeout=STEP_MAX
            )
        return question


@workflow.defn
class LocalActivities:
    @workflow.run
    async def run(self, question: str) -> str:
        for _ in range(STEPS):
            question = await workflow.execute_local_activity(
                answer, question, start_to_close_timeout=STEP_MAX
            )
        return question


VARIANTS = {"activities": Activities, "local activities": LocalActivities}


async def main(address: str, at_once: int, duration_s: float, variant: str) -> None:
    client = await _in_time(lambda: Client.connect(address, namespace=NAMESPACE))
    await _in_time(lambda: _require_namespace(client))
    kind = VARIANTS[variant]

    async def one_run(question: str) -> str:
        return await client.execute_workflow(kind.run, question, id=str(uuid4()), task_queue=QUEUE)

    # The sandbox looks for mistakes that this workflow does not make, and costs time.
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=[Activities, LocalActivities],
        activities=[answer],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_workflow_tasks=AT_ONCE_MAX,
        max_concurrent_activities=AT_ONCE_MAX,
        max_concurrent_local_activities=AT_ONCE_MAX,
    ):
        await _in_time(lambda: one_run(QUESTION))
        report("temporalio", await measure(one_run, at_once, duration_s))


async def _require_namespace(client: Client) -> None:
    try:
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=NAMESPACE)
        )
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        made = RegisterNamespaceRequest(namespace=NAMESPACE)
        made.workflow_execution_retention_period.FromTimedelta(RETENTION)
        await client.workflow_service.register_namespace(made)


async def _in_time(work):
    """A server that just started refuses until its parts have found each other."""
    deadline = time.monotonic() + READY_WAIT_S
    while True:
        try:
            return await work()
        except (RPCError, RuntimeError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(READY_POLL_S)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
