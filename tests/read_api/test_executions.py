"""Executions: what a client reads of them, on the fast path and on the ordinary one."""

import random
from typing import LiteralString

import pytest

from domain.executions import Execution
from domain.money import PICO_PER_USD as USD
from domain.money import usd_text
from read_api.executions import total
from tests.projections.histories import (
    IDS,
    USAGE,
    Stream,
    a_finished_run,
    a_tenant,
    a_workflow,
    an_agent,
    an_execution,
    child_started,
    compensation_started,
    completed,
    failed,
    iteration_ended,
    opened,
    random_run,
    resolved,
    started,
    suspended,
)
from tests.read_api.api import Api
from tests.read_api.queries import EXECUTION_FIELDS, NODE_FIELDS, by_resolvers

ONE = f"query($id: ID!) {{ execution(id: $id) {{ {EXECUTION_FIELDS} nodes {{ {NODE_FIELDS} }} }} }}"
LIST = """
query($first: Int, $after: String, $filter: ExecutionFilter) {
  executions(first: $first, after: $after, filter: $filter) {
    edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }
"""


async def ids(api: Api, **asked: object) -> list[str]:
    page = (await api.read(LIST, **asked))["executions"]
    return [edge["node"]["id"] for edge in page["edges"]]


def a_child(parent: Stream, path: str) -> Stream:
    return an_execution(
        parent.tenant_id, parent_id=str(parent.stream_id), parent_path=path, depth=1
    )


def runs_of(api: Api, count: int) -> list[Stream]:
    return [a_finished_run(api.tenant_id) for _ in range(count)]


async def test_a_finished_run_is_read_with_its_nodes_cost_and_tokens(api: Api) -> None:
    run = a_finished_run(api.tenant_id)
    await api.happened(run)
    execution = (await api.read(ONE, id=str(run.stream_id)))["execution"]
    nodes = execution.pop("nodes")
    assert execution == {
        "id": str(run.stream_id),
        "status": "COMPLETED",
        "workflowId": None,
        "workflowVersion": None,
        "agentId": None,
        "definitionHash": "cafe",
        "createdBy": "api_key:1",
        "parentId": None,
        "parentPath": None,
        "forkedFromId": None,
        "forkedFromNode": None,
        "input": {"question": "why?"},
        "output": {"answer": "because"},
        "error": None,
        "createdAt": "2026-01-01T00:00:01+00:00",
        "startedAt": "2026-01-01T00:00:02+00:00",
        "wakeAt": None,
        "completedAt": "2026-01-01T00:00:07+00:00",
        "durationMs": 5000,
        "costUsd": "0.000013",
        "hasUnpriced": False,
        "tokensIn": 3,
        "tokensOut": 5,
        "version": 7,
    }
    assert [node["path"] for node in nodes] == ["start", "draft", "end"]
    assert nodes[1] == {
        "id": "draft",
        "path": "draft",
        "type": "llm",
        "status": "COMPLETED",
        "attempt": 1,
        "startedAt": "2026-01-01T00:00:04+00:00",
        "wakeAt": None,
        "completedAt": "2026-01-01T00:00:05+00:00",
        "durationMs": 1000,
        "input": {"prompt": "attempt 1"},
        "output": {"text": "draft"},
        "error": None,
        "childId": None,
        "iterations": None,
        "isCopied": False,
        "model": "offline/echo",
        "costUsd": "0.000013",
        "hasUnpriced": False,
        "tokensIn": 3,
        "tokensOut": 5,
    }


async def test_a_failed_node_says_why_and_at_which_attempt(api: Api) -> None:
    run = an_execution(api.tenant_id).happens(Execution.Started)
    failed(started(run, "draft"), "draft", retry_at="2026-01-01T00:00:09Z")
    failed(started(run, "draft", 2), "draft", 2)
    why = {"path": "draft", "attempt": 2, "code": "timeout", "message": "node draft failed"}
    run.happens(Execution.Failed, stopped_paths=[], **why)
    await api.happened(run)
    query = "query($id: ID!) { execution(id: $id) { status error nodes { status attempt error } } }"
    execution = (await api.read(query, id=str(run.stream_id)))["execution"]
    node_error = {"code": "timeout", "message": "too slow", "attempt": 2}
    assert execution == {
        "status": "FAILED",
        "error": {"code": "timeout", "message": "node draft failed", "path": "draft", "attempt": 2},
        "nodes": [{"status": "FAILED", "attempt": 2, "error": node_error}],
    }


@pytest.mark.parametrize("selection", [
    f"{EXECUTION_FIELDS} nodes {{ {NODE_FIELDS} }}",
    "id again: id total: costUsd __typename nodes { __typename path at: startedAt }",
    "...Parts nodes { ...NodeParts } ... { version } ... on Execution { version tokensIn }",
    "workflow { id name definition versions { version definition createdAt } } agent { id name }",
    "nodes { path } nodes { status } workflow { name } workflow { version }",
    "children { id parentPath nodes { path } children { id } workflow { name } }",
])  # fmt: skip
async def test_both_paths_give_the_same_answer(api: Api, selection: str) -> None:
    draw = random.Random(7)
    workflow, agent = a_workflow(api.tenant_id), an_agent(api.tenant_id)
    runs = [random_run(draw, api.tenant_id) for _ in range(12)]
    linked = an_execution(
        api.tenant_id,
        workflow_id=str(workflow.stream_id),
        workflow_version=1,
        agent_id=str(agent.stream_id),
    )
    child = a_child(linked, "research")
    await api.happened(workflow, agent, linked, child, a_child(child, "deeper"), *runs)
    fragments = (
        "fragment Parts on Execution { id status ...More } fragment More on Execution { output }"
        " fragment NodeParts on NodeRun { path cost: costUsd }"
    )
    used = fragments if "...Parts" in selection else ""
    query = "{ executions(first: 10) { edges { cursor node { %s } } pageInfo { endCursor } } } %s"
    shaped = await api.read(query % (selection, used))
    assert api.database.statements == 1
    assert await api.read(by_resolvers(query % (selection, used))) == shaped
    assert api.database.statements > 1
    one = f'{{ execution(id: "{linked.stream_id}") {{ {selection} }} }} {used}'
    assert await api.read(by_resolvers(one)) == await api.read(one)


async def test_a_list_is_newest_first_and_its_pages_cover_it_once(api: Api) -> None:
    runs = runs_of(api, 7)
    await api.happened(*runs, *[a_finished_run(a_tenant()) for _ in range(3)])
    newest_first = [str(run.stream_id) for run in reversed(runs)]
    seen: list[str] = []
    after: str | None = None
    for _ in range(4):
        page = (await api.read(LIST, first=2, after=after))["executions"]
        assert page == (await api.read(by_resolvers(LIST), first=2, after=after))["executions"]
        seen.extend(edge["node"]["id"] for edge in page["edges"])
        info = page["pageInfo"]
        assert info["hasPreviousPage"] is (after is not None)
        assert info["startCursor"] == page["edges"][0]["cursor"]
        assert info["endCursor"] == page["edges"][-1]["cursor"]
        assert info["hasNextPage"] is (len(seen) < 7)
        after = info["endCursor"]
    assert seen == newest_first


async def test_an_empty_list_has_no_cursors(api: Api) -> None:
    for query in (LIST, by_resolvers(LIST)):
        assert (await api.read(query))["executions"] == {
            "edges": [],
            "pageInfo": {
                "hasNextPage": False,
                "hasPreviousPage": False,
                "startCursor": None,
                "endCursor": None,
            },
        }


async def test_what_is_not_there_or_not_ones_own_is_null(api: Api) -> None:
    foreign = a_finished_run(a_tenant())
    await api.happened(foreign)
    for id_text in (str(foreign.stream_id), str(IDS.new()), "nonsense", "", "urn:uuid:1"):
        for query in (ONE, by_resolvers(ONE)):
            assert await api.read(query, id=id_text) == {"execution": None}
    assert await ids(api) == []


@pytest.mark.parametrize("pico", [0, 1, 7 * 10**11, 10**12, 123_456_789_012_345_678, 2**63 - 1])
async def test_money_is_exact_to_the_last_digit(api: Api, pico: int) -> None:
    run = completed(an_execution(api.tenant_id), "draft", **{**USAGE, "cost_usd_pico": pico})
    await api.happened(run)
    execution = (await api.read(ONE, id=str(run.stream_id)))["execution"]
    assert execution["costUsd"] == execution["nodes"][0]["costUsd"] == usd_text(pico)


async def test_a_call_without_a_price_is_marked(api: Api) -> None:
    run = completed(an_execution(api.tenant_id), "draft", **{**USAGE, "cost_usd_pico": None})
    await api.happened(run)
    execution = (await api.read(ONE, id=str(run.stream_id)))["execution"]
    assert (execution["hasUnpriced"], execution["nodes"][0]["hasUnpriced"]) == (True, True)


async def test_a_list_with_nodes_and_workflows_costs_the_same_number_of_statements_at_any_length(
    api: Api,
) -> None:
    workflow = a_workflow(api.tenant_id)
    await api.happened(workflow, *runs_of(api, 2))
    query = """{ executions(first: 50) { edges { node {
      id nodes { path } workflow { versions { name } } agent { name } } } } }"""

    async def statements(text: str) -> int:
        before = api.database.statements
        await api.read(text)
        return api.database.statements - before

    async def add_linked() -> None:
        ids_of = {"workflow_id": str(workflow.stream_id), "workflow_version": 1}
        await api.happened(*[an_execution(api.tenant_id, **ids_of) for _ in range(30)])

    await add_linked()
    few = (await statements(query), await statements(by_resolvers(query)))
    await add_linked()
    assert (await statements(query), await statements(by_resolvers(query))) == few
    assert few == (1, 4)  # The rows, their nodes, their workflows, the versions of those.


async def test_a_run_that_waits_says_for_what_and_until_when(api: Api) -> None:
    run = an_execution(api.tenant_id).happens(Execution.Started)
    child_id = IDS.new()
    child_started(run, "research", child_id)
    opened(run, "each")
    iteration_ended(run, "each", 0)
    suspended(run, "paid", until="2026-02-01T00:00:00+00:00")
    run.happens(Execution.Suspended, wake_at="2026-02-01T00:00:00+00:00")
    await api.happened(run)
    query = """query($id: ID!) { execution(id: $id) {
      status wakeAt completedAt nodes { path status wakeAt childId iterations } } }"""
    until = "2026-02-01T00:00:00+00:00"
    nothing = {"wakeAt": None, "childId": None, "iterations": None}
    assert (await api.read(query, id=str(run.stream_id)))["execution"] == {
        "status": "WAITING",
        "wakeAt": until,
        "completedAt": None,
        "nodes": [
            {**nothing, "path": "research", "status": "WAITING", "childId": str(child_id)},
            {**nothing, "path": "each", "status": "RUNNING", "iterations": 1},
            {**nothing, "path": "paid", "status": "WAITING", "wakeAt": until},
        ],
    }


async def test_a_run_that_needs_attention_says_for_which_nodes_until_it_has_it(api: Api) -> None:
    run = completed(an_execution(api.tenant_id).happens(Execution.Started), "book")
    error = {"code": "timeout", "message": "too slow", "path": "mail", "attempt": 3}
    compensation_started(run, reason="failed", error=error)
    failed(started(run, "book/compensate"), "book/compensate")
    run.happens(Execution.AttentionNeeded, message="look", paths=["book"], done_paths=["mail"])
    await api.happened(run)
    query = """query($id: ID!) { execution(id: $id) {
      status error completedAt nodes { id path status } } }"""
    execution = (await api.read(query, id=str(run.stream_id)))["execution"]
    assert execution["status"] == "NEEDS_ATTENTION"
    assert execution["completedAt"] is not None
    why = {"code": "needs_attention", "message": "look", "paths": ["book"], "done_paths": ["mail"]}
    assert execution["error"] == why
    run = resolved(run, "book/compensate", "done")
    await api.happened(run)
    assert (await api.read(query, id=str(run.stream_id)))["execution"] == {
        "status": "COMPENSATING",
        "error": error,
        "completedAt": None,
        "nodes": [
            {"id": "book", "path": "book", "status": "COMPENSATED"},
            {"id": "book/compensate", "path": "book/compensate", "status": "COMPLETED"},
        ],
    }


async def test_a_run_costs_in_total_what_it_and_all_below_it_cost(api: Api) -> None:
    """Own costs stay what they are, so that sums of runs count nothing twice."""
    parent = a_finished_run(api.tenant_id)
    child, sibling = (a_child(parent, path) for path in ("each[0]/research", "each[1]/research"))
    grandchild = a_child(child, "write")
    for run, cost in ((child, 2 * USD), (grandchild, 3 * USD), (sibling, None)):
        completed(started(run, "draft"), "draft", cost_usd_pico=cost)
    # Of nobody else: neither what was forked from it, nor what another tenant says it began.
    fork = a_finished_run(api.tenant_id, forked_from_id=str(parent.stream_id))
    foreign = a_finished_run(parent_id=str(parent.stream_id), parent_path="draft", depth=1)
    await api.happened(parent, child, sibling, grandchild, fork, foreign)
    query = """{ executions(first: 10) { edges { node {
      id costUsd hasUnpriced totalCostUsd totalHasUnpriced } } } }"""
    for text in (query, by_resolvers(query)):
        edges = (await api.read(text))["executions"]["edges"]
        told = {edge["node"].pop("id"): tuple(edge["node"].values()) for edge in edges}
        assert told == {
            str(parent.stream_id): ("0.000013", False, "5.000013", True),
            str(child.stream_id): ("2", False, "5", False),
            str(grandchild.stream_id): ("3", False, "3", False),
            str(sibling.stream_id): ("0", True, "0", True),
            str(fork.stream_id): ("0.000013", False, "0.000013", False),
        }


async def test_of_too_many_runs_no_total_is_told_rather_than_a_part_of_it(
    api: Api,
) -> None:
    parent = a_finished_run(api.tenant_id)
    await api.happened(parent, a_child(parent, "each[0]/research"))
    limits: list[tuple[LiteralString, bytes | None]] = [("1", None), ("2", b"2")]
    for runs_max, told in limits:
        query = (
            "SELECT " + total("count(*)::text", runs_max=runs_max)
            + " FROM executions_v5 AS e WHERE e.execution_id = ($1->>'id')::uuid"
        )  # fmt: skip
        found = await api.database.tenant_json(api.tenant_id, query, {"id": str(parent.stream_id)})
        assert found == told


async def test_the_children_of_a_run_are_those_its_nodes_started(api: Api) -> None:
    parent, other = a_finished_run(api.tenant_id), a_finished_run(api.tenant_id)
    children = [a_child(parent, f"each[{index}]/research") for index in range(3)]
    fork = an_execution(
        api.tenant_id, forked_from_id=str(parent.stream_id), forked_from_node="draft"
    )
    await api.happened(parent, other, *children, a_child(other, "research"), fork)
    query = """query($id: ID!) { execution(id: $id) {
      id children { id parentId parentPath nodes { path } } } }"""
    for text in (query, by_resolvers(query)):
        read = (await api.read(text, id=str(parent.stream_id)))["execution"]
        assert read["children"] == [
            {
                "id": str(child.stream_id),
                "parentId": str(parent.stream_id),
                "parentPath": f"each[{index}]/research",
                "nodes": [],
            }
            for index, child in enumerate(children)
        ]
    newest_first = [str(child.stream_id) for child in reversed(children)]
    assert await ids(api, filter={"parentId": str(parent.stream_id)}) == newest_first
    forks = await ids(api, filter={"forkedFromId": str(parent.stream_id)})
    assert forks == [str(fork.stream_id)]


async def test_a_page_may_be_asked_for_nothing_of_its_rows(api: Api) -> None:
    query = "{ executions { __typename pageInfo { hasPreviousPage } } }"
    answer = {"__typename": "ExecutionConnection", "pageInfo": {"hasPreviousPage": False}}
    assert (await api.read(query))["executions"] == answer
    await api.happened(*[an_execution(api.tenant_id) for _ in range(3)])
    for asked in (query, by_resolvers(query)):
        assert (await api.read(asked))["executions"] == answer
