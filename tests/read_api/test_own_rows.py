"""The permission table on the read side: who reads only what is theirs sees that, what is public,
and of everything else not even that it is there. Enforced by row security.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from commands.authorization import ROLE_GRANTS, Caller
from domain.workflows import Workflow
from tests.projections.histories import (
    IDS,
    Stream,
    a_bulk_operation,
    a_finished_run,
    a_workflow,
    an_agent,
    an_execution,
    completed,
    started,
    workflow_content,
)
from tests.projections.trigger_histories import a_trigger
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

LISTS = (
    *("executions", "workflows", "agents", "bulkOperations", "triggers"),
    *("users", "apiKeys", "secrets"),
)
ONE = {
    "execution": "query($id: ID!) { execution(id: $id) { id nodes { path } } }",
    "executionAt": "query($id: ID!) { executionAt(id: $id, version: 1) { id } }",
    "executionDiff": (
        "query($id: ID!) { executionDiff(id: $id, fromVersion: 1, toVersion: 2) { path } }"
    ),
    "workflow": "query($id: ID!) { workflow(id: $id) { id versions { version } } }",
    "agent": "query($id: ID!) { agent(id: $id) { id versions { version } } }",
    "bulkOperation": "query($id: ID!) { bulkOperation(id: $id) { id } }",
    "trigger": "query($id: ID!) { trigger(id: $id) { id } }",
}
EVENTS = "query($id: ID) { events(streamId: $id) { edges { node { streamId } } } }"
STATS = (
    '{ executionStats(from: "2025-12-31T00:00:00Z", to: "2026-01-02T00:00:00Z")'
    " { total tokensIn } }"
)


def by(stream: Stream, actor: str) -> Stream:
    """The same stream, as somebody else began it."""
    other = Stream(stream.aggregate, stream.tenant_id, actor=actor)
    for event in stream.events:
        other.logs(event.topic, event.state)
    return other


def a_run_by(actor: str, api: Api) -> Stream:
    run = Stream(an_execution().aggregate, api.tenant_id, actor=actor)
    for event in an_execution(api.tenant_id, created_by=actor).events:
        run.logs(event.topic, event.state)
    return completed(started(run, "draft"), "draft")


@dataclass
class Person:
    """own: what this person made, by what it is. Half of it by an API key of theirs."""

    user_id: UUID
    own: Mapping[str, Stream]


@dataclass
class House:
    """A tenant with two people who made one of everything, and a workflow that is public."""

    api: Api
    ada: Person
    grace: Person
    public: Stream

    def be(self, person: Person, role: str) -> None:
        grants = ROLE_GRANTS[role]
        self.api.callers.known["Bearer al_test"] = Caller(
            f"user:{person.user_id}",
            self.api.tenant_id,
            grants.scopes,
            person.user_id,
            own_only=grants.own_only,
        )

    async def ids(self, listed: str) -> set[str]:
        text = f"{{ {listed} {{ edges {{ node {{ id }} }} }} }}"
        found = [
            {edge["node"]["id"] for edge in (await self.api.read(query))[listed]["edges"]}
            for query in (text, by_resolvers(text))
        ]
        assert found[0] == found[1]
        return found[0]


async def a_person(api: Api) -> Person:
    user_id, api_key_id = IDS.new(), IDS.new()
    await api.ledger.fetch(
        "INSERT INTO api_key_hashes (tenant_id, api_key_id, key_id, secret_hash, scopes, user_id)"
        " VALUES (%s, %s, %s, '', '{}', %s)",
        *(api.tenant_id, api_key_id, str(api_key_id), user_id),
    )
    person, key = f"user:{user_id}", f"api_key:{api_key_id}"
    own = {
        "execution": a_run_by(key, api),
        "workflow": by(a_workflow(api.tenant_id), person),
        "agent": by(an_agent(api.tenant_id), key),
        "bulkOperation": by(a_bulk_operation(api.tenant_id, created_by=person), person),
        "trigger": by(a_trigger(api.tenant_id, created_by=key), key),
    }
    await api.happened(*own.values())
    return Person(user_id, own)


@pytest.fixture
async def house(api: Api) -> House:
    public = Stream(Workflow, api.tenant_id, actor=f"user:{IDS.new()}")
    public.happens(Workflow.Created, **{**workflow_content("v1"), "is_public": True})
    await api.happened(public)
    return House(api, await a_person(api), await a_person(api), public)


def id_of(person: Person, kind: str) -> str:
    return str(person.own[kind].stream_id)


async def test_an_admin_sees_what_everybody_has(house: House) -> None:
    house.be(house.ada, "ADMIN")
    for kind in ("execution", "workflow", "agent", "bulkOperation", "trigger"):
        seen = await house.ids(f"{kind}s")
        assert {id_of(house.ada, kind), id_of(house.grace, kind)} <= seen


async def test_a_user_sees_what_they_made_and_what_is_public(house: House) -> None:
    house.be(house.ada, "USER")
    for kind in ("execution", "agent", "bulkOperation", "trigger"):
        assert await house.ids(f"{kind}s") == {id_of(house.ada, kind)}
    own = id_of(house.ada, "workflow")
    assert await house.ids("workflows") == {own, str(house.public.stream_id)}
    for kind, query in ONE.items():
        made = "execution" if kind.startswith("execution") else kind
        for text in (query, by_resolvers(query)):
            mine = await house.api.read(text, id=id_of(house.ada, made))
            assert mine[kind]
            theirs = await house.api.read(text, id=id_of(house.grace, made))
            assert theirs == {kind: None}
            nobodys = await house.api.read(text, id=str(IDS.new()))
            assert nobodys == theirs


async def test_a_viewer_sees_what_is_public_and_nothing_else(house: House) -> None:
    stranger = Person(IDS.new(), {})
    house.be(stranger, "VIEWER")
    for listed in LISTS:
        wanted = {str(house.public.stream_id)} if listed == "workflows" else set[str]()
        assert await house.ids(listed) == wanted
    versions = await house.api.read(ONE["workflow"], id=str(house.public.stream_id))
    assert versions["workflow"]["versions"] == [{"version": 1}]


async def test_the_events_of_a_stream_are_told_to_who_sees_it(house: House) -> None:
    house.be(house.ada, "USER")
    for kind in ("execution", "workflow", "agent"):
        mine = await house.api.read(EVENTS, id=id_of(house.ada, kind))
        assert len(mine["events"]["edges"]) == len(house.ada.own[kind].events)
        theirs = await house.api.read(EVENTS, id=id_of(house.grace, kind))
        assert theirs == {"events": {"edges": []}}
    assert await house.api.refused(EVENTS) == "forbidden"


async def test_a_run_that_no_read_model_has_yet_is_followed_by_who_began_it(house: House) -> None:
    run = a_run_by(f"user:{house.ada.user_id}", house.api)
    await house.api.record(run)
    past = "query($id: ID!) { executionAt(id: $id, version: 1) { id } }"
    house.be(house.ada, "USER")
    assert (await house.api.read(past, id=str(run.stream_id)))["executionAt"] is not None
    house.be(house.grace, "USER")
    assert (await house.api.read(past, id=str(run.stream_id)))["executionAt"] is None


@pytest.mark.parametrize(("owner", "status"), [("ada", 200), ("grace", 404)])
async def test_the_stream_of_a_run_is_there_for_who_sees_it(
    house: House, owner: str, status: int
) -> None:
    house.be(house.ada, "USER")
    actor = f"user:{getattr(house, owner).user_id}"
    run = by(a_finished_run(house.api.tenant_id), actor)
    await house.api.record(run)
    async with house.api.client() as client:
        response = await client.get(f"/api/v1/executions/{run.stream_id}/events")
    assert response.status_code == status


async def test_sums_are_over_what_one_sees(house: House) -> None:
    async def total() -> int:
        rows: list[dict[str, Any]] = (await house.api.read(STATS))["executionStats"]
        return sum(row["total"] for row in rows)

    house.be(house.ada, "ADMIN")
    assert await total() == 2
    house.be(house.ada, "USER")
    assert await total() == 1


async def test_whoever_has_no_person_behind_them_owns_nothing(house: House) -> None:
    program = Caller(
        "api_key:x", house.api.tenant_id, frozenset({"read"}), own_only=frozenset({"read"})
    )
    house.api.callers.known["Bearer al_test"] = program
    assert await house.ids("executions") == set()


async def test_every_table_of_a_read_model_says_what_is_ones_own(api: Api) -> None:
    """A new one is closed to who sees only their own until it says more."""
    rows = await api.ledger.fetch(
        "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'agentledger' AND c.relkind = 'r' AND c.relname ~ '_v[0-9]+$'"
        " AND NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid"
        "                  AND p.polname = 'own_only' AND NOT p.polpermissive)"
    )
    assert rows == []


async def test_reading_for_everybody_costs_one_look_at_the_setting(house: House) -> None:
    async with (await house.api.ledger.database("api")).tenant_transaction(
        house.api.tenant_id
    ) as conn:
        plan = await (
            await conn.execute(
                "EXPLAIN SELECT * FROM executions_v5 AS e WHERE e.tenant_id = %s"
                " ORDER BY e.execution_id DESC LIMIT 50",
                (house.api.tenant_id,),
            )
        ).fetchall()
    text = "\n".join(row[0] for row in plan)
    assert "executions_v5_pkey" in text
    assert "InitPlan" in text
