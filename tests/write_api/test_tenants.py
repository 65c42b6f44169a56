"""POST /tenants and what follows it, PATCH /tenant, PUT /retention."""

from dataclasses import replace

import pytest

from commands.retention_port import StoredRetention
from commands.standing_port import Standing
from domain.envelope import Envelope
from domain.identifiers import TenantId
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
    tenant = Tenant._create(
        Tenant.Created,
        id=api.world.tenant_id,
        name="Acme",
        region="us",
        time_zone="UTC",
        reseller_id=None,
    )
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


async def test_the_operator_suspends_a_tenant_and_lets_it_go_on(api: Api) -> None:
    await a_tenant(api)
    path = f"/tenants/{api.world.tenant_id}"
    suspended = await api.send("POST", f"{path}/suspend", {"reason": "unpaid"}, headers=OPERATOR)
    assert suspended.json()["data"] == {
        "tenant_id": str(api.world.tenant_id),
        "standing": "suspended",
    }
    resumed = await api.send("POST", f"{path}/resume", headers=OPERATOR)
    assert resumed.json()["data"]["standing"] == "active"
    assert api.store.topics[1:] == ["tenant.suspended", "tenant.resumed"]


async def test_a_tenant_does_not_resume_itself(api: Api) -> None:
    await a_tenant(api)
    problem(await api.send("POST", f"/tenants/{api.world.tenant_id}/resume"), 403, "forbidden")


async def test_a_tenant_that_nobody_knows_is_not_found(api: Api) -> None:
    path = f"/tenants/{api.world.ids.new()}/suspend"
    problem(await api.send("POST", path, {"reason": "x"}, headers=OPERATOR), 404, "not_found")


async def test_a_suspended_tenant_is_told_that_it_is(api: Api) -> None:
    class AllSuspended:
        async def of(self, tenant_id: TenantId) -> Standing:
            assert tenant_id == api.world.tenant_id
            return "suspended"

    api.world.dispatcher._ports = replace(api.world.ports, standings=AllSuspended())
    problem(await api.send("PUT", "/retention", {"payload_days": 7}), 403, "tenant_suspended")


async def test_settings_that_are_left_out_stay(api: Api) -> None:
    await a_tenant(api)
    response = await api.send("PATCH", "/tenant", {"time_zone": "Europe/Oslo"})
    assert response.json()["data"] == {
        "name": "Acme",
        "time_zone": "Europe/Oslo",
        "region": "us",
    }


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "", "x" * 65, "/etc/hosts"])
async def test_a_time_zone_that_nobody_knows_is_refused(api: Api, zone: str) -> None:
    await a_tenant(api)
    response = await api.send("PATCH", "/tenant", {"time_zone": zone})
    ((path, _),) = problem(response, 422, "invalid")
    assert path == "/time_zone"


async def test_the_region_and_the_reseller_cannot_be_changed_by_the_tenant(api: Api) -> None:
    await a_tenant(api)
    for member in ("region", "reseller_id", "customers_max", "standing"):
        response = await api.send("PATCH", "/tenant", {member: "eu"})
        assert problem(response, 422, "invalid") == [(f"/{member}", "unknown_field")]


async def test_a_region_that_the_installation_does_not_have_is_refused(api: Api) -> None:
    response = await api.send("POST", "/tenants", {**TENANT, "region": "mars"}, headers=OPERATOR)
    assert problem(response, 422, "invalid") == [("/region", "unknown_region")]
    assert api.store.events == []


@pytest.mark.parametrize("count", [-1, 1.5, "3", None, 10**7])
async def test_a_quota_that_makes_no_sense_is_refused(api: Api, count: object) -> None:
    await a_tenant(api)
    path = f"/tenants/{api.world.tenant_id}/reseller-quota"
    response = await api.send("PUT", path, {"customers_max": count}, headers=OPERATOR)
    problem(response, 422, "invalid")
