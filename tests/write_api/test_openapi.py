"""The OpenAPI document is the golden one, and the API keeps to it under generated requests."""

import asyncio
import os
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS
from schemathesis.generation import GenerationMode

from domain.identifiers import JsonObject
from tests.effort import EFFORT
from tests.write_api.api import KEY, OPERATOR_KEY, Api
from tests.write_api.bodies import AGENT, API_KEY, TENANT, WORKFLOW
from tests.write_api.directory import Directory, a_user
from tests.write_api.test_blobs import SHA256, hold

GOLDEN = Path(__file__).parents[1] / "golden" / "openapi.json"
EXAMPLES_MAX = 10 * EFFORT
SCIM = "/scim/v2"
SCIM_EXAMPLES_MAX = 2 * EFFORT

# A valid body may still break a rule of the domain (a definition, a scope, a date in the past), and
# what a deleted or revoked thing answers is the subject of other tests.
NOT_HERE = ("positive_data_acceptance", "use_after_free", "ensure_resource_availability")


def test_the_document_is_the_golden_one() -> None:
    """To accept a change of the surface: AGENTLEDGER_WRITE_GOLDEN=1, and read the difference."""
    document = orjson.dumps(
        Api().app.openapi(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )
    if os.environ.get("AGENTLEDGER_WRITE_GOLDEN"):
        GOLDEN.write_bytes(document)
    assert document == GOLDEN.read_bytes()


class Described:
    """The API with one of everything, as schemathesis sees it."""

    def __init__(self) -> None:
        self.api = Api()
        self.ids: dict[str, str] = asyncio.run(self._one_of_everything())
        self.schema = schemathesis.openapi.from_asgi("/openapi.json", self.api.app)

    async def _one_of_everything(self) -> dict[str, str]:
        made: list[tuple[str, str, JsonObject]] = [
            ("agent_id", "/agents", AGENT),
            ("workflow_id", "/workflows", WORKFLOW),
            ("api_key_id", "/api-keys", API_KEY),
        ]
        ids = {name: str((await self.api.created(path, body))[name]) for name, path, body in made}
        begun = await self.api.created(f"/workflows/{ids['workflow_id']}/execute", {"input": {}})
        hold(self.api, self.api.world.tenant_id)
        execution_id = UUID(str(begun["execution_id"]))
        path = self.api.webhook_keys.path(self.api.world.tenant_id, execution_id)
        hook: JsonObject = {"name": "Hook", "webhook": {}}
        trigger = await self.api.created(f"/workflows/{ids['workflow_id']}/triggers", hook)
        return {
            **ids,
            "trigger_id": str(trigger["trigger_id"]),
            "trigger_key": str(trigger["webhook_path"]).rsplit("/", 1)[1],
            "tenant_id": await self._a_tenant(),
            "execution_id": str(begun["execution_id"]),
            "session_id": str(begun["execution_id"]),  # Of nobody: it is not found.
            "user_id": str(begun["execution_id"]),
            "role_id": str(begun["execution_id"]),
            "plan_id": await self._a_plan(),
            "share_id": str(begun["execution_id"]),
            "bulk_operation_id": str(begun["execution_id"]),
            "invoice_id": str(begun["execution_id"]),
            "budget_id": str(begun["execution_id"]),
            "grant_id": str(begun["execution_id"]),
            "licence_id": str(begun["execution_id"]),
            "activation_id": str(begun["execution_id"]),
            "payment_id": str(begun["execution_id"]),
            "name": "paid",
            "identity_id": str(self.api.world.ids.new()),
            "sha256": SHA256,
            "node_id": "ok",
            "key": path.rsplit("/", 1)[1],
        }

    async def _a_plan(self) -> str:
        headers = {"X-Operator-Key": OPERATOR_KEY}
        body = {"name": "Team", "limits": {"users": 5}}
        response = await self.api.send("POST", "/plans", body, headers=headers)
        return str(response.json()["data"]["plan_id"])

    async def _a_tenant(self) -> str:
        headers = {"X-Operator-Key": OPERATOR_KEY}
        response = await self.api.send("POST", "/tenants", TENANT, headers=headers)
        return str(response.json()["data"]["tenant_id"])


@pytest.fixture(scope="module")
def described() -> Described:
    return Described()


def operations() -> list[tuple[str, str]]:
    paths = orjson.loads(GOLDEN.read_bytes())["paths"]
    return [
        (method, path)
        for path, methods in paths.items()
        for method in methods
        if not path.startswith(SCIM)
    ]


def scim_operations() -> list[tuple[str, str]]:
    paths = orjson.loads(GOLDEN.read_bytes())["paths"]
    return [(m, path) for path, methods in paths.items() if path.startswith(SCIM) for m in methods]


MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
# Take nothing that could be wrong.
ALWAYS_RIGHT = {"/.well-known/jwks.json", "/.well-known/seal-keys.json"}


@pytest.mark.parametrize(("method", "path", "mode"), [
    (method, path, mode)
    for method, path in operations()
    for mode in (MODES[:1] if path in ALWAYS_RIGHT else MODES)
])  # fmt: skip
def test_the_api_keeps_to_its_document(
    described: Described, method: str, path: str, mode: GenerationMode
) -> None:
    operation = described.schema[path][method]
    is_for_operator = path.startswith("/api/v1/tenants")
    credential = {"X-Operator-Key": OPERATOR_KEY} if is_for_operator else {"Authorization": KEY}
    # Most of these take another credential too: a wrong one of that kind beside the right one of
    # the operator is no attempt without any. tests/end_to_end/test_permissions.py has who may.
    not_here = (*NOT_HERE, "ignored_auth") if is_for_operator else NOT_HERE
    excluded: list[Any] = [CHECKS.get_one(name) for name in not_here]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES_MAX,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    def keeps_to_it(case: schemathesis.Case) -> None:
        described.api.time_s += (
            60  # So that trying without a credential never meets the rate limit.
        )
        if mode is GenerationMode.POSITIVE:
            case.path_parameters = {name: described.ids[name] for name in case.path_parameters}
        case.call_and_validate(headers=credential, excluded_checks=excluded)

    keeps_to_it()


@pytest.fixture(scope="module")
def directory() -> Directory:
    return asyncio.run(Directory(Api()).open())


@pytest.mark.parametrize(("method", "path"), scim_operations())
def test_scim_keeps_to_the_document(directory: Directory, method: str, path: str) -> None:
    """What nobody documented about requests is in test_scim.py: it reads over what it does not
    know, so a body that is wrong by its schema is no reason to refuse.
    """
    ids = asyncio.run(ids_of_entries(directory, path))
    schema = schemathesis.openapi.from_asgi("/openapi.json", directory.api.app)
    operation = schema[path][method]
    excluded: list[Any] = [CHECKS.get_one(name) for name in NOT_HERE]

    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    @settings(
        max_examples=SCIM_EXAMPLES_MAX,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    def keeps_to_it(case: schemathesis.Case) -> None:
        directory.api.time_s += 60
        if ids:
            case.path_parameters = ids
        headers = {"Authorization": f"Bearer {directory.token}"}
        case.call_and_validate(headers=headers, excluded_checks=excluded)

    keeps_to_it()


async def ids_of_entries(directory: Directory, path: str) -> dict[str, str]:
    name = str(directory.api.world.ids.new())
    if "{directory_user_id}" in path:
        return {"directory_user_id": (await directory.created("/Users", a_user(name)))["id"]}
    if "{directory_group_id}" in path:
        return {"directory_group_id": (await directory.group(name))["id"]}
    return {}
