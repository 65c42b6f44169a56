"""Who sees what is shared, and whose runs. Enforced by row security, for every way to read."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from commands.authorization import ROLE_GRANTS, Caller
from domain.agents import Agent
from domain.executions import Execution
from domain.sharing import Share
from domain.workflows import Workflow
from tests.projections.histories import (
    IDS,
    Stream,
    an_agent,
    an_execution,
    completed,
    started,
    workflow_content,
)
from tests.projections.identity_histories import a_sharing
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

RUN = "query($id: ID!) { execution(id: $id) { id nodes { path } } }"
PAST = "query($id: ID!) { executionAt(id: $id, version: 1) { id } }"
DIFF = "query($id: ID!) { executionDiff(id: $id, fromVersion: 1, toVersion: 2) { path } }"
EVENTS = "query($id: ID) { events(streamId: $id) { edges { node { streamId } } } }"
WORKFLOW = (
    "query($id: ID!)"
    " { workflow(id: $id) { id versions { version } shares { userId role access } } }"
)
AGENT = "query($id: ID!) { agent(id: $id) { id versions { version } shares { userId role } } }"
RUNS = "{ executions { edges { node { id } } } }"


@dataclass
class House:
    """Ada shares, Bob runs, and Vic looks on. runs: of each workflow, by who began them."""

    api: Api
    app: FastAPI
    ada: UUID
    bob: UUID
    vic: UUID
    shared: Stream
    public: Stream
    private: Stream
    agent: Stream
    runs: dict[tuple[UUID, UUID], Stream]

    def be(self, person: UUID, role: str) -> None:
        grants = ROLE_GRANTS[role]
        self.api.callers.known["Bearer al_test"] = Caller(
            f"user:{person}",
            self.api.tenant_id,
            grants.scopes,
            person,
            own_only=grants.own_only,
        )

    async def share(self, shared: Stream, share: Share) -> None:
        """The event and the row, as a command stores both."""
        await self.api.happened(a_sharing(shared, share))
        await self.api.ledger.fetch(
            "INSERT INTO shares (tenant_id, shared_id, grantee, access) VALUES (%s, %s, %s, %s)",
            *(self.api.tenant_id, shared.stream_id, share.grantee, share.access),
        )

    async def unshare(self) -> None:
        await self.api.ledger.fetch("DELETE FROM shares WHERE tenant_id = %s", self.api.tenant_id)

    async def read(self, query: str, **variables: Any) -> Any:
        answer = await self.api.ask(query, app=self.app, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def seen_runs(self) -> set[tuple[UUID, UUID]]:
        """By every way to read a run, which must agree."""
        names = {str(run.stream_id): name for name, run in self.runs.items()}
        listed = (await self.read(RUNS))["executions"]["edges"]
        seen = {names[edge["node"]["id"]] for edge in listed}
        for name, run in self.runs.items():
            is_seen = name in seen
            id_ = str(run.stream_id)
            for text in (RUN, by_resolvers(RUN)):
                one = (await self.read(text, id=id_))["execution"]
                assert (one is not None and one["nodes"] != []) == is_seen, name
            assert ((await self.read(PAST, id=id_))["executionAt"] is not None) == is_seen
            assert ((await self.read(DIFF, id=id_))["executionDiff"] is not None) == is_seen
            edges = (await self.read(EVENTS, id=id_))["events"]["edges"]
            assert (edges != []) == is_seen
            assert await self.can_follow(run) == is_seen
        return seen

    async def can_follow(self, run: Stream) -> bool:
        async with (
            self.api.client(self.app) as client,
            client.stream("GET", f"/api/v1/executions/{run.stream_id}/events") as response,
        ):
            return response.status_code == 200


def a_workflow_of(api: Api, person: UUID, *, is_public: bool = False) -> Stream:
    workflow = Stream(Workflow, api.tenant_id, actor=f"user:{person}")
    content = {**workflow_content("v1"), "is_public": is_public}
    return workflow.happens(Workflow.Created, **content)


def a_run_of(source: Stream, person: UUID) -> Stream:
    actor = f"user:{person}"
    run = Stream(an_execution().aggregate, source.tenant_id, actor=actor)
    key = "agent_id" if source.aggregate is Agent else "workflow_id"
    told = {key: str(source.stream_id), "created_by": actor}
    for event in an_execution(source.tenant_id, **told).events:
        run.logs(event.topic, event.state)
    completed(started(run, "draft"), "draft")
    return run.happens(Execution.Completed, output="done")


@pytest.fixture
async def house(api: Api) -> House:
    ada, bob, vic = (IDS.new() for _ in range(3))
    for person, role in ((ada, "USER"), (bob, "USER"), (vic, "VIEWER")):
        await api.ledger.fetch(
            "INSERT INTO user_access (tenant_id, user_id, role, status)"
            " VALUES (%s, %s, %s, 'ACTIVE')",
            *(api.tenant_id, person, role),
        )
    shared, private = a_workflow_of(api, ada), a_workflow_of(api, ada)
    public = a_workflow_of(api, ada, is_public=True)
    agent = Stream(an_agent().aggregate, api.tenant_id, actor=f"user:{ada}")
    for event in an_agent(api.tenant_id).events:
        agent.logs(event.topic, event.state)
    runs = {
        (source.stream_id, person): a_run_of(source, person)
        for source in (shared, private, public, agent)
        for person in (ada, bob)
    }
    await api.happened(shared, private, public, agent, *runs.values())
    return House(api, api.app(), ada, bob, vic, shared, public, private, agent, runs)


def by_ada_and_bob(house: House, *sources: Stream) -> set[tuple[UUID, UUID]]:
    return {(one.stream_id, person) for one in sources for person in (house.ada, house.bob)}


async def test_without_a_share_one_sees_ones_own_runs_and_those_a_public_workflow_shows(
    house: House,
) -> None:
    publics = {(house.public.stream_id, house.ada)}
    house.be(house.vic, "VIEWER")
    assert await house.seen_runs() == publics
    house.be(house.bob, "USER")
    of_bob = {name for name in house.runs if name[1] == house.bob}
    assert await house.seen_runs() == of_bob | publics


async def test_the_owner_sees_all_runs_of_their_workflows_and_agents(house: House) -> None:
    house.be(house.ada, "USER")
    assert await house.seen_runs() == set(house.runs)


@pytest.mark.parametrize("is_with_role", [True, False])
async def test_a_share_for_viewing_shows_the_workflow_and_all_its_runs_until_it_ends(
    house: House, is_with_role: bool
) -> None:
    share = Share(None, "VIEWER", "view") if is_with_role else Share(str(house.vic), None, "view")
    await house.share(house.shared, share)
    await house.share(house.agent, share)
    publics = {(house.public.stream_id, house.ada)}
    house.be(house.vic, "VIEWER")
    assert await house.seen_runs() == publics | by_ada_and_bob(house, house.shared, house.agent)
    seen = await house.read(WORKFLOW, id=str(house.shared.stream_id))
    assert seen["workflow"]["versions"] == [{"version": 1}]
    # With whom else it is shared is the owner's to know.
    assert len(seen["workflow"]["shares"]) == (0 if is_with_role else 1)
    assert (await house.read(AGENT, id=str(house.agent.stream_id)))["agent"] is not None
    house.be(house.ada, "USER")
    for text in (WORKFLOW, by_resolvers(WORKFLOW)):
        told = (await house.read(text, id=str(house.shared.stream_id)))["workflow"]["shares"]
        assert told == [{"userId": share.user_id, "role": share.role, "access": "view"}]
    await house.unshare()
    house.be(house.vic, "VIEWER")
    assert await house.seen_runs() == publics
    assert (await house.read(WORKFLOW, id=str(house.shared.stream_id)))["workflow"] is None


async def test_a_share_for_running_shows_the_workflow_and_no_run_of_others(house: House) -> None:
    house.be(house.bob, "USER")
    before = await house.seen_runs()
    await house.share(house.private, Share(str(house.bob), None, "execute"))
    assert await house.seen_runs() == before
    assert (await house.read(WORKFLOW, id=str(house.private.stream_id)))["workflow"] is not None


async def test_nothing_is_shared_with_who_was_deactivated_or_has_another_role(house: House) -> None:
    await house.share(house.shared, Share(str(house.vic), None, "view"))
    await house.share(house.private, Share(None, "VIEWER", "view"))
    house.be(house.vic, "VIEWER")
    publics = {(house.public.stream_id, house.ada)}
    both = by_ada_and_bob(house, house.shared, house.private)
    assert await house.seen_runs() == publics | both
    await house.api.ledger.fetch(
        "UPDATE user_access SET role = 'USER' WHERE user_id = %s", house.vic
    )
    assert await house.seen_runs() == publics | by_ada_and_bob(house, house.shared)
    await house.api.ledger.fetch(
        "UPDATE user_access SET status = 'DEACTIVATED' WHERE user_id = %s", house.vic
    )
    assert await house.seen_runs() == publics


async def test_a_workflow_that_is_private_again_shows_nothing_before_a_read_model_knows(
    house: House,
) -> None:
    house.be(house.vic, "VIEWER")
    public_id = str(house.public.stream_id)
    assert (await house.read(WORKFLOW, id=public_id))["workflow"] is not None
    await house.api.ledger.fetch(
        "INSERT INTO unpublished_workflows (tenant_id, workflow_id) VALUES (%s, %s)",
        *(house.api.tenant_id, public_id),
    )
    assert (await house.read(WORKFLOW, id=public_id))["workflow"] is None
    assert await house.seen_runs() == set()
    house.be(house.ada, "USER")
    assert await house.seen_runs() == set(house.runs)


async def test_a_workflow_that_is_private_again_or_gone_shows_nothing(house: House) -> None:
    house.be(house.vic, "VIEWER")
    content = workflow_content("v1")
    house.public.happens(Workflow.Revised, workflow_version=2, **content)
    await house.api.happened(house.public)
    assert await house.seen_runs() == set()


async def test_another_tenants_row_shares_nothing(house: House) -> None:
    """Whatever it says: a share is looked for in the tenant of who asks."""
    await house.api.ledger.fetch(
        "INSERT INTO shares (tenant_id, shared_id, grantee, access) VALUES (%s, %s, %s, 'view')",
        *(IDS.new(), house.private.stream_id, f"user:{house.vic}"),
    )
    house.be(house.vic, "VIEWER")
    assert await house.seen_runs() == {(house.public.stream_id, house.ada)}


async def test_the_pages_of_who_sees_few_runs_hold_all_of_them_in_order(house: House) -> None:
    await house.share(house.shared, Share(str(house.vic), None, "view"))
    await house.share(house.agent, Share(None, "VIEWER", "view"))
    query = (
        "query($after: String) { executions(first: 1, after: $after)"
        " { edges { cursor node { id } } pageInfo { hasNextPage } } }"
    )
    for person, role in ((house.ada, "USER"), (house.bob, "USER"), (house.vic, "VIEWER")):
        house.be(person, role)
        listed = [edge["node"]["id"] for edge in (await house.read(RUNS))["executions"]["edges"]]
        assert listed == sorted(listed, reverse=True)
        paged: list[str] = []
        after, has_next = None, True
        while has_next:
            page = (await house.read(query, after=after))["executions"]
            paged += [edge["node"]["id"] for edge in page["edges"]]
            after, has_next = page["edges"][-1]["cursor"], page["pageInfo"]["hasNextPage"]
        assert paged == listed


async def test_who_sees_few_runs_does_not_look_at_all_of_the_tenants(house: House) -> None:
    """The rows that the list reads are found by their ids, which come from indexes."""
    async with (await house.api.ledger.database("api")).tenant_transaction(
        house.api.tenant_id
    ) as conn:
        await conn.execute("SELECT set_config('app.user_id', %s, true)", (str(house.bob),))
        await conn.execute("SET LOCAL enable_seqscan = off")
        await conn.execute("SET LOCAL enable_bitmapscan = off")
        cursor = await conn.execute(
            "EXPLAIN SELECT * FROM executions_v5 AS e"
            " WHERE e.execution_id = ANY (ARRAY(SELECT own_runs(NULL, 51)))"
        )
        plan = "\n".join(row[0] for row in await cursor.fetchall())
    assert "execution_id = ANY" in plan.partition("Index Cond:")[2].partition("Filter:")[0]
