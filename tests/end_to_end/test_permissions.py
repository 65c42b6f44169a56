"""The permission table on the real stack, cell by cell: each role, a role of the tenant's own
making and a key with fewer scopes, for what is one's own, somebody else's, shared or public,
through REST and GraphQL. What is expected is worked out here from the table alone.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from uuid import uuid4

import httpx
import pytest

from commands.authorization import (
    RESELLER_SCOPES,
    ROLE_GRANTS,
    TENANT_SCOPES,
    Grants,
    grants_of,
    narrowed,
)
from tests.end_to_end.people import Person, client_of, somebody
from tests.end_to_end.stack import Stack, new_tenant, operator_key_of
from tests.end_to_end.surface import TOLD, is_of_tenant, operations
from tests.plain_http import NO_AUTHORITIES, PATIENCE_S

pytestmark = pytest.mark.timeout(600)

Relation = Literal["own", "theirs", "viewed", "runnable", "public"]
Kind = Literal["workflow", "agent"]

ROLES = ("ADMIN", "USER", "VIEWER", "RESELLER")
RUNNER = ["read:own", "workflows:execute:own", "agents:execute:own"]
KEY_SCOPES = ["read", "workflows:execute"]
CASES = (*ROLES, "custom role", "narrow key")

GRAPH = {
    "nodes": [
        {"id": "start", "type": "start"},
        {"id": "say", "type": "set", "config": {"values": {"said": "{{ input }}"}}},
        {"id": "end", "type": "end"},
    ],
    "edges": [{"from": "start", "to": "say"}, {"from": "say", "to": "end"}],
}
AGENT = {"name": "a", "model": "offline/echo", "instructions": "Answer."}
SHARE = {"with": {"role": "VIEWER"}, "access": "execute"}
# What each relation lets do with a thing that is not one's own, beside seeing it.
RUNS = ("runnable", "public")
SHOWS_RUNS = ("viewed", "public")

WORKFLOW = "query($id: ID!) { workflow(id: $id) { id versions { version } } }"
WORKFLOWS = "{ workflows(first: 200) { edges { node { id } } } }"
AGENT_QUERY = "query($id: ID!) { agent(id: $id) { id versions { version } } }"
EXECUTION = "query($id: ID!) { execution(id: $id) { id nodes { path } } }"
EVENTS = "query($id: ID!) { events(streamId: $id) { edges { node { version } } } }"


@dataclass
class Thing:
    """run_id: of a run that its owner began."""

    kind: Kind
    id: str
    run_id: str

    @property
    def path(self) -> str:
        return f"/{self.kind}s/{self.id}"


@dataclass
class House:
    """olga: owns what is not one's own. position: of what was made last."""

    url: str
    admin: Person
    olga: Person
    people: Mapping[str, tuple[Person, Grants]]
    position: str = ""

    def a_thing(self, kind: Kind, relation: Relation, person: Person, given: str = "x") -> Thing:
        """A new one, and a run of it."""
        owner = person if relation == "own" else self.olga
        body: Any = AGENT
        if kind == "workflow":
            body = {"name": "w", "definition": GRAPH, "is_public": relation == "public"}
        thing = Thing(kind, str(owner.made(f"/{kind}s", body)[f"{kind}_id"]), "")
        begun = owner.send("POST", f"{thing.path}/execute", {"input": given})
        assert begun.is_success, begun.text
        thing.run_id = str(begun.json()["data"]["execution_id"])
        self.position = str(begun.json()["meta"]["position"])
        if relation in {"viewed", "runnable"}:
            access = "view" if relation == "viewed" else "execute"
            shared = {"with": {"user": person.user_id}, "access": access}
            owner.made(f"{thing.path}/shares", shared)
        return thing


def known_tenant(root: httpx.Client) -> dict[str, str]:
    """Its own tenant, as soon as the read model has it."""
    ends_at = time.monotonic() + PATIENCE_S
    while True:
        told = root.post("/graphql", json={"query": "{ tenant { id } }"}).json()
        if told["data"] is not None:
            return told["data"]["tenant"]
        assert time.monotonic() < ends_at, told


@pytest.fixture(scope="module")
def house(one_process: Stack) -> Iterator[House]:
    url = one_process.url
    operator = {"X-Operator-Key": operator_key_of(one_process)}
    key = new_tenant(url, operator["X-Operator-Key"], "Permissions")
    root = client_of(url, key)
    tenant_id = known_tenant(root)
    quota = httpx.put(
        f"{url}/api/v1/tenants/{tenant_id['id']}/reseller-quota",
        json={"customers_max": 1},
        headers=operator,
        timeout=PATIENCE_S,
        verify=NO_AUTHORITIES,
    )
    assert quota.is_success, quota.text
    admin = Person("", "ADMIN", root)
    invite = partial(somebody, url, root)
    role_id = str(admin.made("/roles", {"name": "Runner", "permissions": RUNNER})["role_id"])
    olga = invite(unique("olga"), "USER")
    people = {role: (invite(unique(role), role), ROLE_GRANTS[role]) for role in ROLES}
    people["custom role"] = (invite(unique("custom"), role_id), grants_of(RUNNER))
    owner = invite(unique("keys"), "USER")
    issued = owner.made("/api-keys", {"name": "narrow", "scopes": KEY_SCOPES})["api_key"]
    narrow = Person(owner.user_id, "USER", client_of(url, str(issued)))
    people["narrow key"] = (narrow, narrowed(ROLE_GRANTS["USER"], KEY_SCOPES))
    yield House(url, admin, olga, people)
    for one in (root, olga.http, owner.http, *(person.http for person, _ in people.values())):
        one.close()


def unique(name: str) -> str:
    return f"{name.replace(' ', '-').lower()}-{uuid4().hex}@example.com"


def relations(kind: Kind, grants: Grants) -> list[Relation]:
    found: list[Relation] = ["theirs", "viewed", "runnable"]
    if kind == "workflow":
        found.append("public")
    if allows(grants, f"{kind}s:write") and allows(grants, f"{kind}s:execute"):
        found.insert(0, "own")
    return found


def allows(grants: Grants, scope: str) -> bool:
    return bool({scope, "*"} & grants.scopes)


def expected(grants: Grants, scope: str, *, reached: bool) -> str:
    """reached: whether it is within reach of who reaches only their own."""
    if not allows(grants, scope):
        return "forbidden"
    return "allowed" if reached or scope not in grants.own_only else "not found"


def told(answer: httpx.Response) -> str:
    """Allowed is whatever only the state of the thing could refuse."""
    return {403: "forbidden", 404: "not found"}.get(answer.status_code, "allowed")


def seen(answer: httpx.Response, field: str) -> str:
    document = answer.json()
    if "errors" in document:
        return str(document["errors"][0]["extensions"]["code"])
    found = document["data"][field]
    is_there = found is not None and found != {"edges": []}
    return "allowed" if is_there else "not found"


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["workflow", "agent"])
def test_every_cell_of_what_is_somebodys(house: House, kind: Kind, case: str) -> None:
    person, grants = house.people[case]
    wrong: list[tuple[str, str, str, str]] = []

    def check(cell: str, relation: str, got: str, wanted: str) -> None:
        if got != wanted:
            wrong.append((cell, relation, got, wanted))

    for relation in relations(kind, grants):
        thing = house.a_thing(kind, relation, person)
        owned = relation == "own"
        write = expected(grants, f"{kind}s:write", reached=owned)
        run = expected(grants, f"{kind}s:execute", reached=owned or relation in RUNS)
        see = expected(grants, "read", reached=owned or relation != "theirs")
        see_runs = expected(grants, "read", reached=owned or relation in SHOWS_RUNS)
        steer = expected(grants, "executions:write", reached=owned)
        ask: Callable[..., httpx.Response] = partial(person.query, position=house.position)
        one, query = ("workflow", WORKFLOW) if kind == "workflow" else ("agent", AGENT_QUERY)
        check("view", relation, seen(ask(query, id=thing.id), one), see)
        check("logs", relation, seen(ask(EXECUTION, id=thing.run_id), "execution"), see_runs)
        check("events", relation, seen(ask(EVENTS, id=thing.run_id), "events"), see_runs)
        followed = person.http.get(f"/api/v1/executions/{thing.run_id}/events")
        check("follow", relation, told(followed), see_runs)
        check("revise", relation, told(person.send("PATCH", thing.path, {"name": "n"})), write)
        share = person.send("POST", f"{thing.path}/shares", SHARE)
        check("share", relation, told(share), write)
        executed = person.send("POST", f"{thing.path}/execute", {"input": "x"})
        check("execute", relation, told(executed), run)
        cancelled = person.send("POST", f"/executions/{thing.run_id}/cancel", {})
        check("cancel", relation, told(cancelled), steer)
        check("delete", relation, told(person.send("DELETE", thing.path)), write)
    assert wrong == []


@pytest.mark.parametrize("case", CASES)
def test_every_route_refuses_who_lacks_its_scope(house: House, case: str) -> None:
    """Those of the document, so a new one is asked by every role without being listed."""
    person, grants = house.people[case]
    document = house.admin.http.get("/openapi.json").json()
    ids = {name: str(uuid4()) for one in operations(document) for name in one.ids}
    scopes = {
        told["operationId"]: told["x-required-scope"]
        for methods in document["paths"].values()
        for told in methods.values()
        if is_of_tenant(told)
    }
    lacking = [
        one
        for one in operations(document)
        if one.name in scopes and not holds(grants, scopes[one.name])
    ]
    for one in lacking:
        method, path, body = one.request({**TOLD, **ids})
        answer = person.http.request(method, path, json=body)
        assert answer.status_code == 403, (one.name, answer.text)
    assert lacking or case == "ADMIN"


def holds(grants: Grants, scope: str) -> bool:
    if scope in RESELLER_SCOPES or scope not in TENANT_SCOPES:
        return scope in grants.scopes
    return allows(grants, scope)


@pytest.mark.parametrize("case", CASES)
def test_every_cell_of_what_is_the_tenants(house: House, case: str) -> None:
    """Users, roles, keys, secrets, providers: made by who may, and listed to who may see all."""
    person, grants = house.people[case]
    is_all = "read" not in grants.own_only
    made: list[tuple[str, httpx.Response, str]] = [
        ("user", person.send("POST", "/users", {"email": unique("x"), "role": "VIEWER"}), "users"),
        ("role", person.send("POST", "/roles", {"name": "r", "permissions": ["read"]}), "roles"),
        ("key", person.send("POST", "/api-keys", {"name": "k", "scopes": ["read"]}), "api_keys"),
        ("secret", person.send("PUT", f"/secrets/{case[:4].lower()}", secret()), "secrets"),
        ("retention", person.send("PUT", "/retention", {"payload_days": None}), "retention"),
    ]
    for name, answer, scope in made:
        assert told(answer) == expected(grants, f"{scope}:write", reached=True), (name, answer.text)
    shared_secret = person.send("PUT", "/secrets/tenants", {"value": "a value"})
    may_keep = allows(grants, "secrets:write") and "secrets:write" not in grants.own_only
    assert (shared_secret.status_code < 400) is may_keep, shared_secret.text
    people = person.query("{ users(first: 200) { edges { node { id } } } }").json()["data"]["users"]
    listed = {edge["node"]["id"] for edge in people["edges"]}
    assert listed > {house.olga.user_id} if is_all else listed == {person.user_id}
    everything = person.query("{ events(first: 1) { edges { node { version } } } }")
    assert ("errors" not in everything.json()) is is_all


def secret() -> dict[str, str]:
    return {"value": "a value", "scope": "user"}


def test_making_a_workflow_is_for_who_may_write_one(house: House) -> None:
    for person, grants in house.people.values():
        answer = person.send("POST", "/workflows", {"name": "w", "definition": GRAPH})
        assert told(answer) == expected(grants, "workflows:write", reached=True)
        agent = person.send("POST", "/agents", AGENT)
        assert told(agent) == expected(grants, "agents:write", reached=True)


def test_what_was_shared_is_gone_when_the_share_or_its_person_goes(house: House) -> None:
    viewer = somebody(house.url, house.admin.http, unique("leaves"), "VIEWER")
    thing = house.a_thing("workflow", "viewed", viewer, "x" * 70_000)
    query = "query($id: ID!) { execution(id: $id) { input } }"
    told_input = house.olga.query(query, house.position, id=thing.run_id).json()
    sha256 = told_input["data"]["execution"]["input"]["$blob"]["sha256"]

    def sees() -> set[str]:
        asked = partial(viewer.query, position=house.position)
        found = {seen(asked(EXECUTION, id=thing.run_id), "execution")}
        found.add(seen(asked(EVENTS, id=thing.run_id), "events"))
        followed = viewer.http.get(f"/api/v1/executions/{thing.run_id}/events")
        found.add(told(viewer.send("GET", f"/blobs/{sha256}")))
        listed = asked(WORKFLOWS).text
        return found | {told(followed), "allowed" if thing.id in listed else "not found"}

    assert sees() == {"allowed"}
    ended = house.olga.send("DELETE", f"{thing.path}/shares/{viewer.user_id}")
    assert ended.json()["data"] == {"ended": 1}
    assert sees() == {"not found"}
    house.olga.made(f"{thing.path}/shares", {"with": {"role": "VIEWER"}, "access": "view"})
    assert sees() == {"allowed"}
    gone = house.admin.send("DELETE", f"/users/{viewer.user_id}")
    assert gone.is_success, gone.text
    assert viewer.query(WORKFLOWS).status_code == 401
    viewer.http.close()


def test_a_definition_names_nothing_of_others_until_it_is_shared_for_running(house: House) -> None:
    user, _ = house.people["USER"]
    agent = house.a_thing("agent", "theirs", user)
    node = {"id": "ask", "type": "agent", "config": {"agent_id": agent.id, "input": "x"}}
    graph = {
        "nodes": [GRAPH["nodes"][0], node, GRAPH["nodes"][2]],
        "edges": [{"from": "start", "to": "ask"}, {"from": "ask", "to": "end"}],
    }
    refused = user.send("POST", "/workflows", {"name": "w", "definition": graph})
    assert refused.status_code == 422
    assert [error["path"] for error in refused.json()["errors"]] == [
        "/definition/nodes/1/config/agent_id"
    ]
    share = {"with": {"user": user.user_id}, "access": "execute"}
    house.olga.made(f"{agent.path}/shares", share)
    workflow = user.made("/workflows", {"name": "w", "definition": graph})
    run = f"/workflows/{workflow['workflow_id']}/execute?wait_s=30"
    assert user.made(run, {"input": {}})["status"] == "COMPLETED"
    house.olga.send("DELETE", f"{agent.path}/shares/{user.user_id}")
    late = user.send("POST", run, {"input": {}})
    assert (late.status_code, late.json()["code"]) == (422, "unknown_parts")
