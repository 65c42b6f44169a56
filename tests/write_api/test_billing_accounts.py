"""PUT /billing-profile, and the terms of a tenant."""

from typing import Any

import pytest

from tests.write_api.api import OPERATOR_KEY, Api, problem
from tests.write_api.bodies import TENANT

OPERATOR = {"X-Operator-Key": OPERATOR_KEY}
ADDRESS = {"legal_name": "Acme GmbH", "address": ["Hauptstr. 1"], "country": "DE"}


async def put_terms(api: Api, body: Any, **headers: str) -> Any:
    made = await api.send("POST", "/tenants", TENANT, headers=OPERATOR)
    path = f"/tenants/{made.json()['data']['tenant_id']}/billing-profile"
    return await api.send("PUT", path, body, headers=headers or OPERATOR)


async def test_an_address_and_terms_are_said_and_told() -> None:
    api = Api()
    addressed = await api.send("PUT", "/billing-profile", ADDRESS)
    assert addressed.json()["data"]["number_prefix"] == "INV-"
    own = await api.send("PUT", "/billing-profile", ADDRESS, headers=OPERATOR)
    assert own.status_code == 200
    told = await put_terms(api, {"currency": "JPY", "usd_rate": "150.25"})
    assert told.json()["data"]["payment_terms_days"] == 14


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"currency": "EUX"}, "/currency"),
        ({"usd_rate": "0"}, "/usd_rate"),
        ({"usd_rate": 1.5}, "/usd_rate"),
        ({"taxes": {"default": "101"}}, "/taxes/default"),
        ({"taxes": {"vat": "19"}}, "/taxes"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"grace_s": 10 * 86400 + 1}, "/grace_s"),
    ],
    ids=str,
)
async def test_terms_that_make_no_sense_are_refused_by_name(body: Any, field: str) -> None:
    refused = problem(await put_terms(Api(), body), 422, "invalid")
    assert [path for path, _ in refused] == [field]


async def test_a_tenant_cannot_set_its_own_terms() -> None:
    api = Api()
    path = f"/tenants/{api.world.tenant_id}/billing-profile"
    assert (await api.send("PUT", path, {})).status_code == 403
