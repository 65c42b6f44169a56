"""The next invoice over HTTP, before it is there."""

from typing import Any

import pytest

from tests.commands.billing_steps import Billed
from tests.commands.fakes import NOON
from tests.write_api.api import KEY, OPERATOR_KEY, Api, problem

OPERATOR = {"X-Operator-Key": OPERATOR_KEY}


@pytest.fixture
async def api() -> Api:
    return Api()


async def test_a_tenant_and_its_issuer_see_what_the_next_invoice_comes_to(api: Api) -> None:
    billed = await Billed.begun(api.world)
    api.world.billing.used(billed.tenant_id, NOON)
    path = f"/tenants/{billed.tenant_id}/invoices/upcoming"
    issuers: Any = (await api.send("GET", path, headers=OPERATOR)).json()["data"]
    own = api.world.caller_with("read")
    api.authentication.callers[KEY] = type(own)(own.actor, billed.tenant_id, own.scopes)
    tenants: Any = (await api.send("GET", "/invoices/upcoming")).json()["data"]
    assert tenants == issuers
    assert (tenants["status"], tenants["document"]["total"]) == ("gathering", "0.60")
    assert tenants["invoice_id"] == str((await billed.invoice()).id)
    problem(await api.send("GET", path), 403, "forbidden")


async def test_who_is_not_billed_has_no_next_invoice(api: Api) -> None:
    problem(await api.send("GET", "/invoices/upcoming"), 404, "not_found")
    path = f"/tenants/{api.world.ids.new()}/invoices/upcoming"
    problem(await api.send("GET", path, headers=OPERATOR), 404, "not_found")
