"""POST /tenants, PUT /retention."""

import pytest

from commands.ports import StoredRetention
from domain.envelope import Envelope
from domain.tenants import Tenant
from tests.write_api.api import OPERATOR_KEY, Api, problem
from tests.write_api.bodies import TENANT

OPERATOR = {"X-Operator-Key": OPERATOR_KEY}


async def test_the_operator_creates_a_tenant_and_sees_its_first_key_once(api: Api) -> None:
    headers = {**OPERATOR, "Idempotency-Key": "acme"}
    first = await api.send("POST", "/tenants", TENANT, headers=headers)
    again = await api.send("POST", "/tenants", TENANT, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    data, replayed = first.json()["data"], again.json()["data"]
    assert data.pop("api_key") == "al_key00001_secret"
    assert (data.pop("key_shown"), replayed.pop("key_shown")) == (True, False)
    assert data == replayed
    assert set(data) == {"tenant_id", "user_id", "api_key_id"}
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_a_tenant_cannot_create_a_tenant(api: Api) -> None:
    response = await api.send("POST", "/tenants", TENANT)
    problem(response, 403, "forbidden")
    assert api.store.events == []


async def test_the_mistakes_of_the_administrator_are_named(api: Api) -> None:
    body = {"name": "", "admin": {"email": "nobody", "password": "short", "role": "ADMIN"}}
    response = await api.send("POST", "/tenants", body, headers=OPERATOR)
    assert set(problem(response, 422, "invalid")) == {
        ("/name", "string_too_short"),
        ("/admin/email", "string_pattern_mismatch"),
        ("/admin/password", "string_too_short"),
        ("/admin/role", "unknown_field"),
    }
    assert "short" not in [mistake["message"] for mistake in response.json()["errors"]]
    assert api.store.events == []


async def test_a_password_longer_than_its_hash_looks_at_is_refused(api: Api) -> None:
    body = {**TENANT, "admin": {"email": "ada@example.com", "password": "ü" * 40}}
    response = await api.send("POST", "/tenants", body, headers=OPERATOR)
    assert problem(response, 422, "invalid") == [("/admin/password", "password_too_long")]


async def a_tenant(api: Api) -> None:
    tenant = Tenant._create(Tenant.Created, id=api.world.tenant_id, name="Acme")
    await api.store.append([tenant], Envelope(api.world.tenant_id, "operator"))


async def test_the_days_are_recorded_and_may_be_taken_back(api: Api) -> None:
    await a_tenant(api)
    for days in (30, None):
        response = await api.send("PUT", "/retention", {"payload_days": days})
        assert response.status_code == 200
        assert response.json()["data"] == {"payload_days": days}
    assert api.store.topics[1:] == ["tenant.retention_changed"] * 2
    assert api.store.side_rows == [StoredRetention(30), StoredRetention(None)]


async def test_saying_the_same_again_records_nothing(api: Api) -> None:
    await a_tenant(api)
    for _ in range(2):
        await api.send("PUT", "/retention", {"payload_days": 7})
    assert api.store.topics[1:] == ["tenant.retention_changed"]


@pytest.mark.parametrize("days", [0, -1, 3651, "30", 1.5])
async def test_days_that_make_no_sense_are_refused(api: Api, days: object) -> None:
    await a_tenant(api)
    problem(await api.send("PUT", "/retention", {"payload_days": days}), 422, "invalid")


async def test_it_needs_its_scope(api: Api) -> None:
    narrow = api.allow("narrow", api.world.caller_with("executions:write"))
    response = await api.send(
        "PUT", "/retention", {"payload_days": 7}, headers={"Authorization": narrow}
    )
    problem(response, 403, "forbidden")
