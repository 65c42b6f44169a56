"""Lists of executions hold what was filtered for, in pages from the newest on."""

from datetime import timedelta

from domain.executions import Execution
from tests.projections.histories import EPOCH, IDS, a_finished_run, a_tenant, an_execution
from tests.read_api.api import Api
from tests.read_api.test_executions import LIST, ids


async def test_filters_hold_together(api: Api) -> None:
    workflow_id, agent_id = str(IDS.new()), str(IDS.new())
    done = a_finished_run(api.tenant_id)
    pending = an_execution(api.tenant_id, workflow_id=workflow_id)
    running = an_execution(api.tenant_id, agent_id=agent_id).happens(Execution.Started)
    await api.happened(done, pending, running)
    everything = [str(run.stream_id) for run in (running, pending, done)]

    async def found(**wanted: object) -> list[str]:
        return await ids(api, filter=wanted)

    assert await found() == everything
    assert await found(status=["COMPLETED"]) == [everything[2]]
    assert await found(status=["PENDING", "RUNNING"]) == everything[:2]
    assert await found(status=[]) == []
    assert await found(workflowId=workflow_id) == [everything[1]]
    assert await found(agentId=agent_id) == [everything[0]]
    assert await found(agentId=agent_id, status=["COMPLETED"]) == []
    assert await found(workflowId="no id at all") == []
    assert await found(parentId=str(done.stream_id)) == []
    created = EPOCH + timedelta(seconds=1)
    assert await found(createdAfter=created.isoformat()) == []
    earlier = (created - timedelta(seconds=1)).isoformat()
    assert (
        await found(createdAfter=earlier, createdBefore="2027-01-01T01:00:00+01:00") == everything
    )
    assert await found(createdBefore=created.isoformat()) == []


async def test_pages_of_several_statuses_are_one_list(api: Api) -> None:
    runs = [
        a_finished_run(api.tenant_id),
        an_execution(api.tenant_id).happens(Execution.Started),
        an_execution(api.tenant_id),
        an_execution(api.tenant_id).happens(Execution.Started),
    ]
    await api.happened(*runs, a_finished_run(a_tenant()))
    wanted = {"status": ["RUNNING", "PENDING", "RUNNING"]}
    seen: list[str] = []
    after, more = None, True
    while more:
        page = (await api.read(LIST, filter=wanted, first=1, after=after))["executions"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert seen == [str(run.stream_id) for run in reversed(runs[1:])]
