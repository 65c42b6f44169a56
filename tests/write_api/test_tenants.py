"""POST /tenants."""

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
