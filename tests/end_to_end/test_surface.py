"""Every route and every field, asked by a tenant for what another tenant has: the answer is the
one for what does not exist, whoever wrote the route.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.end_to_end.stack import Api, Stack, new_tenant, operator_key_of
from tests.end_to_end.surface import INTROSPECTION, Fields, Operation, Owner, operations, shape_of

pytestmark = pytest.mark.timeout(600)

# Ids that no answer to a program's request gives: of people who log in, of what others made, of
# what time brings, of what is only previewed. Their own tests try them with another tenant's.
NEVER_TOLD = frozenset({"bulk_operation_id", "identity_id", "invoice_id", "session_id"})
PEOPLE = "{ users(first: 1) { edges { node { id } } } }"


@pytest.fixture
async def ours(api: Api) -> Owner:
    return Owner(api.http)


@pytest.fixture
async def theirs(one_process: Stack) -> AsyncIterator[Owner]:
    key = new_tenant(one_process.url, operator_key_of(one_process), "Curious")
    client = Api(one_process.url, key)
    yield Owner(client.http)
    await client.http.aclose()


async def surface(owner: Owner) -> list[Operation]:
    return operations((await owner.http.get("/openapi.json")).json())


async def somebody(owner: Owner) -> str:
    """The administrator, once the read model has them."""
    async with asyncio.timeout(60):
        while True:
            answer = (await owner.http.post("/graphql", json={"query": PEOPLE})).json()
            if answer["data"]["users"]["edges"]:
                return str(answer["data"]["users"]["edges"][0]["node"]["id"])
            await asyncio.sleep(0.05)


async def test_another_tenants_id_is_answered_as_one_that_does_not_exist(
    ours: Owner, theirs: Owner
) -> None:
    routes = await surface(ours)
    await ours.make_one_of_everything(routes)
    ours.known["user_id"] = await somebody(ours)
    asked = [one for one in routes if one.is_of_tenant and one.ids]
    unknown = {name for one in asked for name in one.ids} - ours.known.keys()
    assert unknown <= NEVER_TOLD, "no request can be built: teach tests/end_to_end/surface.py"
    nothing = ours.strangers()
    tried = 0
    for one in asked:
        if not set(one.parameters) <= ours.known.keys():
            continue
        answers = []
        for ids in (ours.known, nothing):
            method, path, body = one.request(ids)
            answers.append(shape_of(await theirs.http.request(method, path, json=body), ids))
        assert answers[0] == answers[1], one.name
        # Or it was accepted and changed nothing, as ending the sessions of whoever has none.
        is_nothing = '"position":null' in answers[0][1]
        assert answers[0][0] in {404, 422} or is_nothing, (one.name, answers[0])
        tried += 1
    assert tried >= 15


async def test_what_a_tenant_has_is_in_no_answer_to_another(ours: Owner, theirs: Owner) -> None:
    await ours.make_one_of_everything(await surface(ours))
    told = (await ours.http.post("/graphql", json={"query": INTROSPECTION})).json()
    fields = Fields(told["data"]["__schema"])
    ids = sorted(ours.ids)
    seen_by_us: set[str] = set()
    for name, query in fields.queries(ids):
        answer = (await theirs.http.post("/graphql", json={"query": query})).text
        own = (await ours.http.post("/graphql", json={"query": query})).text
        shown = answer.replace(query, "")
        assert not [one for one in ids if one in shown], (name, answer)
        assert '"graphql_validation"' not in own, (name, query, own)
        seen_by_us |= {one for one in ids if one in own}
    assert len(seen_by_us) >= 3, "the test must have seen what it says others cannot see"


async def test_a_run_of_another_tenant_cannot_be_followed(ours: Owner, theirs: Owner) -> None:
    await ours.make_one_of_everything(await surface(ours))
    run = ours.known["execution_id"]
    path = f"/api/v1/executions/{run}/events"
    assert (await theirs.http.get(path)).status_code == 404
    async with ours.http.stream("GET", path) as stream:
        assert stream.status_code in {200, 204}


async def test_the_same_idempotency_key_of_two_tenants_is_two_commands(
    ours: Owner, theirs: Owner
) -> None:
    body = {"name": "Writer", "model": "offline/echo", "instructions": "x"}
    headers = {"Idempotency-Key": "shared"}
    first, second = [
        (await owner.http.post("/api/v1/agents", json=body, headers=headers)).json()["data"]
        for owner in (ours, theirs)
    ]
    assert first["agent_id"] != second["agent_id"]
