"""Every route of SCIM by every kind of caller, and by requests that nobody wrote. The routes are
those that SCIM itself publishes (/ResourceTypes), so a new collection is asked without being
listed here.
"""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands.authorization import OPERATOR_SCOPES, PLATFORM_SCOPES, TENANT_SCOPES, Caller
from infra.data_keys import PLATFORM
from tests.write_api.api import Api
from tests.write_api.directory import ADA, Directory, a_group, a_patch, scim_error
from tests.write_api.test_directory_users import token_of_another
from write_api.openapi import SCIM_PREFIX
from write_api.scim import ACTIONS
from write_api.scim_resources import RESOURCE_TYPES

SOME_ID = "019a0000-0000-7000-8000-000000000000"
COLLECTIONS = sorted(str(one.endpoint) for one in RESOURCE_TYPES.values())
BODIES: dict[str, dict[str, Any]] = {"/Users": ADA, "/Groups": a_group("makers")}
PATCH = a_patch({"op": "replace", "path": "externalId", "value": "x"})
DISCOVERED = [
    ("GET", path, None) for path in ("/ServiceProviderConfig", "/ResourceTypes", "/Schemas")
]
ROUTES = [
    *DISCOVERED,
    *[
        route
        for path in COLLECTIONS
        for route in (
            ("GET", path, None),
            ("POST", path, BODIES[path]),
            ("POST", f"{path}/.search", {}),
            ("GET", f"{path}/{SOME_ID}", None),
            ("PUT", f"{path}/{SOME_ID}", BODIES[path]),
            ("PATCH", f"{path}/{SOME_ID}", PATCH),
            ("DELETE", f"{path}/{SOME_ID}", None),
        )
    ],
]
OF_ENTRIES = [route for route in ROUTES if SOME_ID in route[1]]

# Bounded: these are a few seconds of a core together.
FEW = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = ("schemas", "userName", "externalId", "name", "displayName", "emails", "active", "members")
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=40)
)
MEMBERS = st.sampled_from(("value", "type", "primary", "op", "path"))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=3),
    max_leaves=6,
)
PATHS = st.sampled_from(("active", 'emails[type eq "work"].value', "members", "", "[[", "a.b.c"))
OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(("add", "replace", "remove", "x", None))},
        optional={"path": PATHS | VALUES, "value": VALUES},
    ),
    max_size=3,
)


def test_the_document_has_every_route_that_scim_publishes(api: Api) -> None:
    paths = api.app.openapi()["paths"]
    told = {
        (method.upper(), re.sub(r"\{directory_\w+_id\}", SOME_ID, path.removeprefix(SCIM_PREFIX)))
        for path, methods in paths.items()
        for method in methods
        if path.startswith(SCIM_PREFIX)
    }
    discovered = {("GET", f"/{path}/{{entry}}") for path in ("ResourceTypes", "Schemas")}
    assert told == {(method, path) for method, path, _ in ROUTES} | discovered


@pytest.fixture
async def directory(api: Api) -> Directory:
    return await Directory(api).open()


async def last_entry(api: Api) -> tuple[object, ...]:
    await api.audit.close()
    entry = api.audit_log.entries[-1]
    return entry.tenant_id, entry.actor, entry.action, entry.outcome


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_every_route_refuses_who_does_not_speak_for_a_directory(
    directory: Directory, method: str, path: str, body: object
) -> None:
    api = directory.api
    every = frozenset([*TENANT_SCOPES, *OPERATOR_SCOPES, *PLATFORM_SCOPES])
    narrow = Caller("api_key:narrow", api.world.tenant_id, every - {"scim"})
    no_directory = Caller(f"api_key:{SOME_ID}", api.world.tenant_id, frozenset({"scim"}))
    before = len(api.store.events)
    for name, caller in (("narrow", narrow), ("none", no_directory)):
        api.allow(name, caller)
        scim_error(await directory.send(method, path, body, token=name), 403)
        told = (api.world.tenant_id, caller.actor, ACTIONS[method], "denied")
        assert await last_entry(api) == told
    scim_error(await directory.send(method, path, body, token="al_unknown"), 401)
    assert await last_entry(api) == (PLATFORM, "stranger", ACTIONS[method], "denied")
    assert len(api.store.events) == before


@pytest.mark.parametrize(("method", "path", "body"), OF_ENTRIES)
async def test_an_entry_of_another_directory_is_answered_as_one_that_does_not_exist(
    directory: Directory, method: str, path: str, body: object
) -> None:
    made = {
        "/Users": (await directory.created("/Users", ADA))["id"],
        "/Groups": (await directory.group("theirs"))["id"],
    }
    other = await token_of_another(directory.api)
    collection = path.removesuffix(f"/{SOME_ID}")
    answers = [
        await directory.send(method, f"{collection}/{entry}", body, token=other)
        for entry in (made[collection], SOME_ID)
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize("path", COLLECTIONS)
async def test_no_body_breaks_it_and_every_refusal_is_in_its_own_form(
    directory: Directory, path: str
) -> None:
    entry = (await directory.created(path, BODIES[path]))["id"]
    sent: list[tuple[str, str, object]] = []

    @FEW
    @given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5), OPERATIONS)
    def gather(body: dict[str, object], operations: list[object]) -> None:
        sent.append(("POST", path, {**BODIES[path], **body}))
        sent.append(("PUT", f"{path}/{entry}", {**BODIES[path], **body}))
        sent.append(("POST", f"{path}/.search", body))
        sent.append(("PATCH", f"{path}/{entry}", {**PATCH, "Operations": operations}))

    gather()
    for method, where, body in sent:
        answer = await directory.send(method, where, body)
        assert answer.headers["content-type"] == "application/scim+json"
        if not answer.is_success:
            assert answer.status_code in {400, 404, 409}, (method, where, body, answer.text)
            scim_error(answer, answer.status_code, answer.json().get("scimType"))
