"""POST /payments/checkout, and what Stripe tells at POST /payments/webhooks/stripe."""

from uuid import UUID

import httpx
import pytest

from commands.authorization import Caller
from domain.identifiers import PLATFORM, TenantId
from tests.commands.fake_payments import SIGNATURE, an_event
from tests.write_api.api import OPERATOR_KEY, RATE_LIMIT_IP_PER_MIN, Api, problem
from tests.write_api.bodies import TENANT
from write_api.payments import EVENT_BYTES_MAX

PAGES = {"success_url": "https://app.example.com/paid", "cancel_url": "https://app.example.com/"}
HOOK = "/payments/webhooks/stripe"


async def an_admin(api: Api) -> dict[str, str]:
    """The headers of the administrator of a tenant."""
    made = await api.send("POST", "/tenants", TENANT, headers={"X-Operator-Key": OPERATOR_KEY})
    tenant_id = TenantId(UUID(made.json()["data"]["tenant_id"]))
    caller = Caller("api_key:admin", tenant_id, frozenset({"*"}))
    return {"Authorization": api.allow("admin", caller)}


async def tell(api: Api, payload: bytes, signature: str | None = SIGNATURE) -> httpx.Response:
    """As Stripe does, which has no other credential."""
    headers = {b"content-type": b"application/json"}
    if signature is not None:
        headers[b"stripe-signature"] = signature.encode()
    return await api.client.post(HOOK.removeprefix("/"), content=payload, headers=headers)


async def test_a_page_is_opened_and_what_was_done_there_is_told(api: Api) -> None:
    opened = await api.send("POST", "/payments/checkout", PAGES, headers=await an_admin(api))
    assert opened.status_code == 201, opened.text
    assert opened.json()["data"]["url"] == "https://pay.example.com/cs_1"
    api.world.payments.complete("cs_1")
    event = an_event("evt_1", "checkout.session.completed", "checkout", "cs_1")
    first, again = await tell(api, event), await tell(api, event)
    assert first.status_code == again.status_code == 200, first.text
    assert first.json()["data"] == again.json()["data"]
    assert first.json()["data"]["is_handled"] is True
    assert again.headers["Idempotency-Replayed"] == "true"
    assert [one.topic for one in api.store.events][-1] == "payment_account.method_saved"


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "https:///paid", "https://a@example.com/", "javascript:x", ""]
)
async def test_where_the_browser_goes_is_a_web_page(api: Api, url: str) -> None:
    body = {**PAGES, "cancel_url": url}
    response = await api.send("POST", "/payments/checkout", body)
    [(path, _)] = problem(response, 422, "invalid")
    assert path == "/cancel_url"


async def test_an_event_of_nobody_is_acknowledged_and_noted(api: Api) -> None:
    response = await tell(api, an_event("evt_1", "customer.updated", "checkout", "cs_9"))
    assert response.json()["data"] == {
        "event_id": "evt_1",
        "kind": "customer.updated",
        "is_handled": False,
    }
    again = await tell(api, an_event("evt_1", "customer.updated", "checkout", "cs_9"))
    assert again.headers["Idempotency-Replayed"] == "true"
    await api.audit.close()
    entry = api.audit_log.entries[-1]
    assert (entry.tenant_id, entry.actor, entry.action) == (
        PLATFORM,
        "stripe",
        "receiveStripeEvent",
    )


@pytest.mark.parametrize("signature", [None, "", "t=1,v1=00", SIGNATURE + "x", "ünsigned"])
async def test_who_is_not_stripe_tells_nothing(api: Api, signature: str | None) -> None:
    event = an_event("evt_1", "checkout.session.completed", "checkout", "cs_1")
    problem(await tell(api, event, signature), 401, "event_not_signed")
    assert api.store.events == []


async def test_a_flood_of_forged_events_is_held_to_its_address_and_true_ones_are_not(
    api: Api,
) -> None:
    for _ in range(RATE_LIMIT_IP_PER_MIN):
        await tell(api, b"{}", "forged")
    problem(await tell(api, b"{}", "forged"), 429, "too_many_attempts")
    event = an_event("evt_1", "customer.updated", "checkout", "cs_9")
    assert (await tell(api, event)).status_code == 200


async def test_a_body_without_end_is_not_read(api: Api) -> None:
    problem(await tell(api, b" " * (EVENT_BYTES_MAX + 1)), 413, "body_too_large")


async def test_what_cannot_be_looked_at_now_is_told_again_later(api: Api) -> None:
    await api.send("POST", "/payments/checkout", PAGES, headers=await an_admin(api))
    api.world.payments.complete("cs_1")
    event = an_event("evt_1", "checkout.session.completed", "checkout", "cs_1")
    api.world.payments.is_away = True
    problem(await tell(api, event), 503, "payment_provider_unavailable")
    api.world.payments.is_away = False
    assert (await tell(api, event)).json()["data"]["is_handled"] is True
