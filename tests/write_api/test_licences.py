"""POST /licences with /renew, /revoke and /activations, and what is published."""

from dataclasses import replace

import pytest

from domain.envelope import Envelope
from domain.tenants import Tenant
from tests.write_api.api import KEY, Api, problem

LICENCE = {
    "licensee": "Acme",
    "product": "Suite",
    "seats": 1,
    "expires_at": "2027-01-01T00:00:00Z",
}


@pytest.fixture
async def reseller(api: Api) -> Api:
    """The caller's tenant is one, and the caller may issue licences."""
    tenant = Tenant._create(
        Tenant.Created,
        id=api.world.tenant_id,
        name="Rita Resells",
        region="us",
        time_zone="UTC",
        reseller_id=None,
    )
    tenant.allow_customers(5)
    await api.store.append([tenant], Envelope(api.world.tenant_id, "operator"))
    scopes = frozenset({"licences:write", "licences:activate"})
    api.authentication.callers[KEY] = replace(api.world.caller, scopes=scopes)
    return api


async def test_a_reseller_issues_renews_and_revokes_a_licence(reseller: Api) -> None:
    begun = await reseller.send("POST", "/licences", LICENCE)
    assert begun.status_code == 201, begun.text
    licence = begun.json()["data"]
    assert (licence["status"], licence["document"]) == ("issued", "serial 1")
    path = f"/licences/{licence['licence_id']}"
    later = {"expires_at": "2028-01-01T00:00:00Z", "seats": 2}
    renewed = await reseller.send("POST", f"{path}/renew", later)
    assert (renewed.json()["data"]["serial"], renewed.json()["data"]["document"]) == (2, "serial 2")
    told = await reseller.send("GET", f"{path}/document")
    assert told.json()["data"] == {"document": "serial 2"}
    revoked = await reseller.send("POST", f"{path}/revoke", {"reason": "unpaid"})
    assert (revoked.json()["data"]["status"], revoked.json()["data"]["document"]) == (
        "revoked",
        None,
    )
    problem(await reseller.send("POST", f"{path}/renew", later), 409, "licence_revoked")


async def test_seats_are_taken_as_long_as_there_are_some(reseller: Api) -> None:
    licence = (await reseller.send("POST", "/licences", LICENCE)).json()["data"]
    path = f"/licences/{licence['licence_id']}/activations"
    first = await reseller.send("POST", path, {"instance": "host-1"})
    assert first.status_code == 201
    again = await reseller.send("POST", path, {"instance": "host-1"})
    assert again.json()["data"] == first.json()["data"]
    problem(await reseller.send("POST", path, {"instance": "host-2"}), 409, "no_seat_left")
    activation_id = first.json()["data"]["activation_id"]
    released = await reseller.send("DELETE", f"{path}/{activation_id}")
    assert released.json()["data"]["seats_used"] == 0
    problem(await reseller.send("DELETE", f"{path}/{activation_id}"), 404, "not_found")


async def test_keys_and_revocations_are_told_to_strangers(reseller: Api) -> None:
    issuer = f"/licence-issuers/{reseller.world.tenant_id}"
    keys = await reseller.send("GET", f"{issuer}/keys", headers={"Authorization": ""})
    assert keys.json() == {"issuer_id": str(reseller.world.tenant_id), "keys": []}
    listed = await reseller.send("GET", f"{issuer}/revocations", headers={"Authorization": ""})
    assert listed.json() == {"revocations": "none"}
    nobody = f"/licence-issuers/{reseller.world.ids.new()}/keys"
    problem(await reseller.send("GET", nobody), 404, "not_found")


@pytest.mark.parametrize(
    ("changed", "mistake"),
    [
        ({"seats": 0}, ("/seats", "greater_than_equal")),
        ({"seats": 10_001}, ("/seats", "less_than_equal")),
        ({"licensee": ""}, ("/licensee", "string_too_short")),
        ({"expires_at": "2020-01-01T00:00:00Z"}, ("/expires_at", "out_of_range")),
        ({"tenant_id": "x"}, ("/tenant_id", "unknown_field")),
    ],
)
async def test_a_licence_that_makes_no_sense_is_named(
    reseller: Api, changed: dict[str, object], mistake: tuple[str, str]
) -> None:
    response = await reseller.send("POST", "/licences", {**LICENCE, **changed})
    assert problem(response, 422, "invalid") == [mistake]
