"""Workflows: the newest version of each, and all of them by version."""

import orjson

from domain.workflows import Workflow
from tests.projections.histories import a_tenant, a_workflow, an_execution, workflow_content
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

FIELDS = (
    "id name description isPublic version definitionHash definition isDeleted createdAt updatedAt"
    " createdBy"
)
ONE = f"query($id: ID!) {{ workflow(id: $id) {{ {FIELDS} }} }}"
LIST = "{ workflows { edges { node { name } } pageInfo { hasNextPage } } }"


async def test_a_workflow_is_read_as_of_its_newest_version(api: Api) -> None:
    workflow = a_workflow(api.tenant_id)
    workflow.happens(Workflow.Revised, workflow_version=2, **workflow_content("v2"))
    await api.happened(workflow)
    for query in (ONE, by_resolvers(ONE)):
        assert (await api.read(query, id=str(workflow.stream_id)))["workflow"] == {
            "id": str(workflow.stream_id),
            "name": "v2",
            "description": None,
            "isPublic": False,
            "version": 2,
            "definitionHash": "hash of v2",
            "definition": {"nodes": ["v2"], "edges": []},
            "isDeleted": False,
            "createdAt": "2026-01-01T00:00:01+00:00",
            "updatedAt": "2026-01-01T00:00:02+00:00",
            "createdBy": "user:ada",
        }


async def test_it_tells_how_many_calls_its_runs_make_now_and_how_many_wait(api: Api) -> None:
    workflow, other = a_workflow(api.tenant_id), a_tenant()
    await api.happened(workflow)
    scope = str(workflow.stream_id)
    taken = "SELECT take_call(%s, %s, %s::json, 0, 0, 600, NULL)"
    claim = orjson.dumps([{"scope": scope, "calls": 1}]).decode()
    await api.ledger.owner.execute(taken, (api.tenant_id, other, claim))
    lines = orjson.dumps([{"tenant": api.tenant_id, "scope": scope, "calls": 4}]).decode()
    await api.ledger.owner.execute("SELECT tell_lines(%s, %s::json, 600, NULL)", (other, lines))
    asked = "query($id: ID!) { workflow(id: $id) { callsUnderWay callsWaiting } }"
    for query in (asked, by_resolvers(asked)):
        found = (await api.read(query, id=scope))["workflow"]
        assert found == {"callsUnderWay": 1, "callsWaiting": 4}


async def test_its_versions_are_listed_newest_first_as_many_as_asked_for(api: Api) -> None:
    workflow = a_workflow(api.tenant_id)
    for version in range(2, 25):
        workflow.happens(
            Workflow.Revised, workflow_version=version, **workflow_content(f"v{version}")
        )
    await api.happened(workflow)
    query = """query($id: ID!, $first: Int) { workflow(id: $id) {
      all: versions { version name } some: versions(first: $first) { version definitionHash } } }"""
    read = (await api.read(query, id=str(workflow.stream_id), first=2))["workflow"]
    assert [version["version"] for version in read["all"]] == list(range(24, 4, -1))
    assert read["some"] == [
        {"version": 24, "definitionHash": "hash of v24"},
        {"version": 23, "definitionHash": "hash of v23"},
    ]
    default = "query($id: ID!) { workflow(id: $id) { all: versions { version name } } }"
    for text in (default, by_resolvers(default)):
        assert (await api.read(text, id=str(workflow.stream_id)))["workflow"]["all"] == read["all"]


async def test_a_deleted_workflow_is_gone_but_its_executions_still_lead_to_it(api: Api) -> None:
    workflow = a_workflow(api.tenant_id).happens(Workflow.Deleted)
    run = an_execution(api.tenant_id, workflow_id=str(workflow.stream_id), workflow_version=1)
    await api.happened(workflow, run)
    assert await api.read(ONE, id=str(workflow.stream_id)) == {"workflow": None}
    assert (await api.read(LIST))["workflows"]["edges"] == []
    query = "query($id: ID!) { execution(id: $id) { workflow { name isDeleted } } }"
    for text in (query, by_resolvers(query)):
        read = await api.read(text, id=str(run.stream_id))
        assert read == {"execution": {"workflow": {"name": "v1", "isDeleted": True}}}


async def test_another_tenants_workflows_are_not_there(api: Api) -> None:
    foreign = a_workflow(a_tenant())
    await api.happened(foreign, a_workflow(api.tenant_id))
    assert await api.read(ONE, id=str(foreign.stream_id)) == {"workflow": None}
    assert len((await api.read(LIST))["workflows"]["edges"]) == 1
