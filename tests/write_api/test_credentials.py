"""POST /api-keys, DELETE /api-keys/{id}."""

import pytest

from tests.write_api.api import Api, problem
from tests.write_api.bodies import API_KEY


async def test_a_key_is_made_shown_and_revoked(api: Api) -> None:
    body = {**API_KEY, "expires_at": "2027-01-01T00:00:00Z"}
    response = await api.send("POST", "/api-keys", body)
    data = response.json()["data"]
    assert response.status_code == 201
    assert data["api_key"].startswith(data["prefix"])
    assert data["expires_at"] == "2027-01-01T00:00:00+00:00"
    revoked = await api.send("DELETE", f"/api-keys/{data['api_key_id']}")
    assert revoked.json()["data"] == {"api_key_id": data["api_key_id"], "is_revoked": True}
    assert api.store.topics == ["api_key.created", "api_key.revoked"]


@pytest.mark.parametrize("expires_at", ["tomorrow", "2027-01-01T00:00:00", 1_900_000_000, True])
async def test_an_expiry_is_an_instant_with_a_zone(api: Api, expires_at: object) -> None:
    response = await api.send("POST", "/api-keys", {**API_KEY, "expires_at": expires_at})
    ((path, _),) = problem(response, 422, "invalid")
    assert path == "/expires_at"
    assert api.store.events == []


async def test_a_key_needs_at_least_one_known_scope(api: Api) -> None:
    none = await api.send("POST", "/api-keys", {**API_KEY, "scopes": []})
    assert problem(none, 422, "invalid") == [("/scopes", "too_short")]
    unknown = await api.send("POST", "/api-keys", {**API_KEY, "scopes": ["read", "fly"]})
    assert problem(unknown, 422, "invalid") == [("/scopes/1", "unknown_scope")]


async def test_a_key_cannot_give_what_it_does_not_hold(api: Api) -> None:
    credential = api.allow("narrow", api.world.caller_with("api_keys:write"))
    response = await api.send("POST", "/api-keys", API_KEY, headers={"Authorization": credential})
    problem(response, 403, "forbidden")


async def test_an_unknown_key_cannot_be_revoked(api: Api) -> None:
    response = await api.send("DELETE", f"/api-keys/{api.world.ids.new()}")
    problem(response, 404, "not_found")


async def test_a_key_is_rotated_and_restricted(api: Api) -> None:
    made = await api.created("/api-keys", {**API_KEY, "allowed_addresses": ["192.0.2.0/24"]})
    path = f"/api-keys/{made['api_key_id']}"
    rotated = (await api.send("POST", f"{path}/rotate", {"overlap_s": 60})).json()["data"]
    assert rotated["api_key"].startswith(rotated["prefix"])
    assert rotated["prefix"] != made["prefix"]
    anywhere = await api.send("PUT", f"{path}/allowed-addresses", {"allowed_addresses": []})
    assert anywhere.json()["data"]["allowed_addresses"] == []
    assert (await api.send("POST", f"{path}/rotate")).status_code == 200
    await api.send("DELETE", path)
    problem(await api.send("POST", f"{path}/rotate"), 409, "api_key_revoked")


async def test_what_a_key_may_do_is_said_anew_and_its_secret_stays(api: Api) -> None:
    made = await api.created("/api-keys", API_KEY)
    path = f"/api-keys/{made['api_key_id']}/scopes"
    told = await api.send("PUT", path, {"scopes": ["read", "agents:write", "read"]})
    assert told.json()["data"]["scopes"] == ["agents:write", "read"]
    unknown = await api.send("PUT", path, {"scopes": ["read", "everything"]})
    assert problem(unknown, 422, "invalid") == [("/scopes/1", "unknown_scope")]
    assert problem(await api.send("PUT", path, {"scopes": []}), 422, "invalid")


@pytest.mark.parametrize("overlap_s", [-1, 7 * 86_400 + 1, 1.5, "60", True, None])
async def test_an_overlap_is_a_number_of_seconds_up_to_a_week(api: Api, overlap_s: object) -> None:
    made = await api.created("/api-keys", API_KEY)
    body = {"overlap_s": overlap_s}
    response = await api.send("POST", f"/api-keys/{made['api_key_id']}/rotate", body)
    ((path, _),) = problem(response, 422, "invalid")
    assert path == "/overlap_s"


async def test_a_network_that_is_none_is_named_by_its_place(api: Api) -> None:
    body = {**API_KEY, "allowed_addresses": ["192.0.2.1", "0.0.0.0/0"]}
    response = await api.send("POST", "/api-keys", body)
    assert problem(response, 422, "invalid") == [("/allowed_addresses/1", "invalid_network")]
