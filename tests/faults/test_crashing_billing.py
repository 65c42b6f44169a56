"""Billing that is killed at every crash point and goes on: each period is billed once, and the
numbers have no gap.
"""

import asyncio
import contextlib
import signal
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from domain.identifiers import TenantId
from domain.invoices import invoice_id
from infra.clock import SystemClock
from tests.faults.broken import Broken
from tests.faults.conftest import ADMIN, OPERATOR_KEY, WAIT_S
from tests.faults.crash_chains import OF_BILLING
from tests.faults.load import POLL_S, Client
from tests.plain_http import NO_AUTHORITIES, PATIENCE_S

pytestmark = pytest.mark.timeout(600)

OPERATOR = {"X-Operator-Key": OPERATOR_KEY}
NUMBERS = "SELECT number FROM issued_documents ORDER BY number"


async def test_a_month_is_billed_once_whatever_dies_meanwhile(on_either: Broken) -> None:
    on_either.installation.environment = {
        **on_either.installation.environment,
        "AGENTLEDGER_WORKER_BILLING_POLL_S": "0.2",
    }
    starts_at = (SystemClock().now() - timedelta(days=40)).replace(microsecond=0)
    first, *others = sorted(OF_BILLING)
    process = on_either.installation.start("all", AGENTLEDGER_CRASH_AT=first)
    tenant_id = await a_billed_tenant(on_either, starts_at)
    assert await process.ended(wait_s=WAIT_S) == -signal.SIGKILL, process.said()
    for point in others:
        process = on_either.installation.start("all", AGENTLEDGER_CRASH_AT=point)
        assert await process.ended(wait_s=WAIT_S) == -signal.SIGKILL, process.said()
    on_either.installation.start("all")
    path = f"/api/v1/tenants/{tenant_id}/invoices/{invoice_id(tenant_id, starts_at)}"
    async with httpx.AsyncClient(
        base_url=on_either.client.url, headers=OPERATOR, timeout=PATIENCE_S, verify=NO_AUTHORITIES
    ) as http:
        async with asyncio.timeout(WAIT_S):
            while (document := await issued(http, path)) is None:
                await asyncio.sleep(POLL_S)
    # Nobody had a price for it at the time, so it is listed.
    assert [(one["quantity"], one["facts"]) for one in document["unpriced"]] == [("12", 1)]
    assert document["facts"]["count"] == 1
    async with on_either.owner() as conn:
        numbers = [row[0] for row in await (await conn.execute(NUMBERS)).fetchall()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [check.name for check in await on_either.checks() if not check.ok] == []


async def issued(http: httpx.AsyncClient, path: str) -> Any:
    """The document, once it is there."""
    with contextlib.suppress(httpx.HTTPError):  # It is starting.
        return (await http.get(path)).json()["data"]["document"]
    return None


async def a_billed_tenant(broken: Broken, starts_at: datetime) -> TenantId:
    """With 12 units of usage in the month that began then."""
    tenant = Client(broken.client.url, WAIT_S)
    made = await tenant.post("/tenants", {"name": "Billed", "admin": ADMIN}, **OPERATOR)
    tenant.api_key = str(made["api_key"])
    tenant_id = str(made["tenant_id"])
    used_at = (starts_at + timedelta(minutes=1)).astimezone(UTC).isoformat()
    sent = {"specversion": "1.0", "id": "1", "source": "/p", "type": "pages", "time": used_at}
    await tenant.post("/usage-events", {**sent, "data": {"quantity": 12}})
    terms = {"starts_at": starts_at.isoformat(), "grace_s": 0}
    async with httpx.AsyncClient(
        base_url=broken.client.url, headers=OPERATOR, timeout=PATIENCE_S, verify=NO_AUTHORITIES
    ) as http:
        # Its answer may be lost: the worker may die before it is sent.
        with contextlib.suppress(httpx.HTTPError):
            await http.put(f"/api/v1/tenants/{tenant_id}/billing-profile", json=terms)
    return TenantId(UUID(tenant_id))
