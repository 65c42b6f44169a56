"""A command or a route without a permission is open to everybody, and nobody notices.

So each names its scope, and each route is tried by a caller who holds every scope but that one.
Webhooks have no scope: who sends one holds its key.
"""

import dataclasses
import re
from dataclasses import replace
from functools import cache
from typing import Any
from uuid import UUID

import pytest

from commands.authorization import (
    OPERATOR_SCOPES,
    PLATFORM_SCOPES,
    RESELLER_SCOPES,
    TENANT_SCOPES,
    Caller,
)
from commands.catalogue import HANDLERS
from commands.decisions import Command
from infra.data_keys import PLATFORM
from tests.write_api.api import Api, problem

ALL_SCOPES = frozenset([*TENANT_SCOPES, *OPERATOR_SCOPES, *PLATFORM_SCOPES, *RESELLER_SCOPES])
SOME_ID = "019a0000-0000-7000-8000-000000000000"
SOME_NAME = "somename"

Operation = tuple[str, str, dict[str, Any]]


def operations() -> list[Operation]:
    """But those of SCIM, which refuse in their own form: tests/write_api/test_scim.py."""
    paths = Api().app.openapi()["paths"]
    return [
        (method, path, operation)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if not path.startswith("/scim/")
    ]


@cache
def api_of_refusals() -> Api:
    """One for all: nothing is ever stored in it."""
    return Api()


ALL_OPERATIONS = operations()
OPERATIONS = [one for one in ALL_OPERATIONS if one[2]["security"]]
OPEN_OPERATIONS = [one for one in ALL_OPERATIONS if not one[2]["security"]]
NAMES = [operation["operationId"] for _, _, operation in OPERATIONS]


@pytest.mark.parametrize("kind", HANDLERS, ids=lambda kind: kind.__name__)
def test_every_command_is_a_frozen_dataclass_that_names_a_scope(kind: type[Command]) -> None:
    assert "requires" in kind.__dict__
    assert kind.requires in ALL_SCOPES
    assert dataclasses.is_dataclass(kind)
    assert kind.__dict__["__dataclass_params__"].frozen


def test_nothing_is_open_but_webhooks_and_what_makes_somebody_known() -> None:
    assert {path for _, path, _ in OPEN_OPERATIONS} == {
        "/.well-known/jwks.json",
        "/.well-known/seal-keys.json",
        "/api/v1/auth/invitations/accept",
        "/api/v1/auth/login",
        "/api/v1/auth/oauth/callback",
        "/api/v1/auth/oauth/exchange",
        "/api/v1/auth/oauth/{tenant_id}/{name}/start",
        "/api/v1/auth/login/totp",
        "/api/v1/auth/login/totp/confirm",
        "/api/v1/auth/login/totp/enrol",
        "/api/v1/auth/password-reset",
        "/api/v1/auth/password-reset/confirm",
        "/api/v1/auth/refresh",
        "/api/v1/licence-issuers/{tenant_id}/keys",
        "/api/v1/licence-issuers/{tenant_id}/revocations",
        "/api/v1/payments/webhooks/stripe",
        "/api/v1/trigger-webhooks/{trigger_id}/{trigger_key}",
        "/api/v1/webhooks/{execution_id}/{key}/{name}",
    }


PREFIXES = ("/api/v1/webhooks/", "/api/v1/trigger-webhooks/")
WEBHOOKS = [one for one in OPEN_OPERATIONS if one[1].startswith(PREFIXES)]


@pytest.mark.parametrize(("method", "path", "operation"), WEBHOOKS)
async def test_a_webhook_refuses_every_caller_without_its_key(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    api = Api()
    headers = {"Authorization": api.allow("all", api.world.caller_with(*ALL_SCOPES))}
    response = await api.send(*request_of(method, path, operation), headers=headers)
    problem(response, 404, "not_found")
    assert api.store.events == []


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
async def test_every_route_refuses_a_caller_without_its_scope(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    scope = operation["x-required-scope"]
    others = ALL_SCOPES - {scope}
    api = api_of_refusals()
    caller = Caller("api_key:narrow", api.world.tenant_id, others)
    headers = {"Authorization": api.allow("narrow", caller)}
    response = await api.send(*request_of(method, path, operation), headers=headers)
    problem(response, 403, "forbidden")
    assert api.store.events == []
    assert await on_record(api) == [
        (api.world.tenant_id, "api_key:narrow", operation["operationId"], "denied", "forbidden")
    ]


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
async def test_every_route_refuses_a_caller_it_does_not_know(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    api = api_of_refusals()
    api.time_s += 60  # So that no stranger meets the rate limit.
    headers = {"Authorization": "Bearer al_unknown"}
    response = await api.send(*request_of(method, path, operation), headers=headers)
    problem(response, 401, "unauthenticated")
    assert await on_record(api) == [
        (PLATFORM, "stranger", operation["operationId"], "denied", "unauthenticated")
    ]


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
async def test_every_route_lets_its_scope_alone_in(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    scope = operation["x-required-scope"]
    api = Api()
    caller = Caller("api_key:exact", api.world.tenant_id, frozenset({scope, "read"}))
    if scope == "identity_providers:write":
        # Nobody gives strangers more than they hold themselves.
        caller = replace(caller, scopes=frozenset(TENANT_SCOPES))
    if scope in {"account:write", "external_identities:write"}:
        caller = replace(caller, user_id=UUID(SOME_ID), session_id=UUID(SOME_ID))
    if scope in OPERATOR_SCOPES and scope not in TENANT_SCOPES:
        caller = api.world.operator
    headers = {"Authorization": api.allow("exact", caller)}
    response = await api.send(*request_of(method, path, operation), headers=headers)
    # An id that names nothing is reached only past the permission, and so is a wrong password.
    if response.status_code == 401:
        problem(response, 401, "wrong_credentials")
    else:
        assert response.status_code in {200, 201, 404}, response.text


async def on_record(api: Api) -> list[tuple[object, ...]]:
    """Since it was asked last."""
    await api.audit.close()
    told: list[tuple[object, ...]] = [
        (entry.tenant_id, entry.actor, entry.action, entry.outcome, entry.code)
        for entry in api.audit_log.entries
    ]
    api.audit_log.entries.clear()
    return told


def request_of(method: str, path: str, operation: dict[str, Any]) -> tuple[str, str, object]:
    """A request that is right in everything but its ids: the documented example."""
    named = path.replace("{name}", SOME_NAME)
    concrete = re.sub(r"\{\w+\}", SOME_ID, named).removeprefix("/api/v1")
    body = operation.get("requestBody")
    example = body and body["content"]["application/json"]["example"]
    return method.upper(), concrete, example
