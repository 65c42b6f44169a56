"""`agentledger verify` makes whole invoices again from the log, and finds what was planted in any
part of them.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from psycopg import AsyncConnection

from commands.billing_accounts import AddressInvoices
from commands.credits import GrantCredits
from commands.invoices import CreditInvoice, VoidInvoice
from commands.plans import CreatePlan
from commands.ports import LoggedEvent
from commands.subscriptions import ChangeSubscription, Subscribe
from domain.billing_accounts import BillingAccount
from domain.credits import CreditAccount
from domain.identifiers import TenantId
from domain.invoice_documents import content_sha256
from domain.invoices import Invoice
from infra.billing_facts import PostgresBilling
from infra.invoice_verification import verify_invoices
from tests.commands.fakes import NOON
from tests.infra.billing_steps import DECEMBER, Installation, append, sent
from tests.infra.conftest import Parts

GRACE = timedelta(seconds=60)
JANUARY, FEBRUARY = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)
KINDS = ("recurring", "proration", "usage", "included", "minimum", "adjustment")
Change = Callable[[Any], None]


@pytest.fixture
async def installation(parts: Parts) -> Installation:
    return Installation(parts, PostgresBilling(await parts.database("api"), parts.keys))


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncConnection]:
    async with await AsyncConnection.connect(
        database_url, autocommit=True, options="-c search_path=agentledger,pg_catalog"
    ) as conn:
        yield conn


class Planted:
    """What opens the events for `verify`, and lies about those of one topic and stream."""

    def __init__(self, parts: Parts, owner: AsyncConnection, tenant_id: TenantId) -> None:
        self._parts = parts
        self._owner = owner
        self._tenant_id = tenant_id

    async def found(
        self, topic: str = "", change: Change | None = None, stream_id: UUID | None = None
    ) -> str:
        """What is said of the tenant when that is changed."""

        async def opened(events: Sequence[LoggedEvent]) -> Sequence[LoggedEvent]:
            told: list[LoggedEvent] = []
            for event in await self._parts.seals.opened(events):
                is_it = event.topic == topic and event.stream_id == (stream_id or event.stream_id)
                if is_it and event.tenant_id == self._tenant_id and change is not None:
                    state = orjson.loads(event.state)
                    change(state)
                    told.append(event._replace(state=orjson.dumps(state)))
                else:
                    told.append(event)
            return told

        checks = await verify_invoices(self._owner, opened, lambda _: None)
        violations = [one for check in checks for one in check.violations]
        return "; ".join(one for one in violations if str(self._tenant_id) in one)


def in_document(change: Change) -> Change:
    """And its hash is right."""

    def changed(state: Any) -> None:
        change(state["document"])
        state["content_sha256"] = content_sha256(state["document"])

    return changed


def setting(*path: Any, to: Any) -> Change:
    def change(told: Any) -> None:
        for step in path[:-1]:
            told = told[step]
        told[path[-1]] = to

    return change


def a_line(kind: str, member: str, to: str) -> Change:
    def change(document: Any) -> None:
        line = next(one for one in document["lines"] if one["kind"] == kind)
        assert line[member] != to
        line[member] = to

    return in_document(change)


async def billed(installation: Installation) -> TenantId:
    """Two invoices with lines of all kinds, credits, and tax by kind."""
    tenant_id = await installation.billed_tenant("EUR", "0.5", default="19", usage="7")
    for name, recurring in (("Small", "30"), ("Large", "60")):
        plan: Any = {
            "interval": "month",
            "recurring_usd": recurring,
            "minimum_usd": "90",
            "trial_days": 0,
            "included": [{"meter": "pages", "model": "*", "quantity": 3}],
        }
        made = await installation.done(CreatePlan(name, {}, is_for_resellers=False, terms=plan))
        plan_id = UUID(made["plan_id"])
        if name == "Small":
            await installation.done(Subscribe(tenant_id, plan_id))
        else:
            installation.clock.time = NOON + timedelta(days=3)
            await installation.done(ChangeSubscription(tenant_id, plan_id, None, "now"))
    for amount, priority in (("1.5", 2), ("200", 3)):
        grant = GrantCredits(tenant_id, amount, "promotional", priority=priority)
        await installation.done(grant)
    used_at = (NOON + timedelta(days=1)).isoformat()
    await append(installation.parts, tenant_id, sent(tenant_id, "1", used_at))
    await installation.until(DECEMBER + GRACE)
    await append(installation.parts, tenant_id, sent(tenant_id, "2", used_at, cost=10**13))
    await installation.until(JANUARY + GRACE)
    return tenant_id


async def test_whole_invoices_are_made_again_and_what_is_planted_in_a_line_is_found(
    installation: Installation, owner: AsyncConnection
) -> None:
    tenant_id = await billed(installation)
    planted = Planted(installation.parts, owner, tenant_id)
    assert await planted.found() == ""
    first = await installation.invoice(tenant_id, NOON)
    second = await installation.invoice(tenant_id, DECEMBER)
    lines: Any = {
        line["kind"]: invoice.id
        for invoice in (second, first)
        for line in invoice.document["lines"]  # type: ignore[union-attr]
    }
    assert set(lines) == set(KINDS)
    for kind in KINDS:
        for member, to in (("amount", "7.77"), ("usd", "7.77"), ("tax", "0.01"), ("key", "x")):
            change = a_line(kind, member, to)
            said = await planted.found(Invoice.Finalized.TOPIC, change, lines[kind])
            assert f"({kind})" in said, (kind, member, said)


async def test_what_is_planted_beside_the_lines_is_found(
    installation: Installation, owner: AsyncConnection
) -> None:
    tenant_id = await billed(installation)
    planted = Planted(installation.parts, owner, tenant_id)
    first = await installation.invoice(tenant_id, NOON)
    finalized = Invoice.Finalized.TOPIC
    document: Any = first.document
    closing = BillingAccount.PeriodClosed.TOPIC
    plants: list[tuple[str, Change]] = [
        (finalized, in_document(setting("credits", to="0.01"))),
        (finalized, in_document(setting("total", to="0.01"))),
        (finalized, in_document(setting("tax_percents", "usage", to="1"))),
        (finalized, in_document(setting("usd_rate", to="0.51"))),
        (finalized, in_document(setting("customer", "legal_name", to="Mallory"))),
        (finalized, in_document(setting("issuer", "legal_name", to="Mallory"))),
        (finalized, in_document(setting("number", to="INV-999999"))),
        (finalized, in_document(setting("period", "end", to=JANUARY.isoformat()))),
        (finalized, in_document(setting("finalized_at", to=JANUARY.isoformat()))),
        (finalized, in_document(setting("facts", "billed_to", to=[1, 1, 1]))),
        (finalized, in_document(setting("included", to=[]))),
        (finalized, in_document(setting("made_of", "subscription", to=1))),
        (finalized, in_document(setting("made_of", "credit_account", to=1))),
        (finalized, in_document(lambda told: told["lines"].pop())),
        (finalized, in_document(lambda told: told.pop("usd_rate"))),
        (finalized, setting("total", to=1)),
        (finalized, setting("amount_due", to=1)),
        (closing, setting("balance", to=-1)),
        (closing, setting("included_left", to={})),
        (Invoice.Issued.TOPIC, setting("due_at", to=JANUARY.isoformat())),
        (
            CreditAccount.Burned.TOPIC,
            lambda told: told["postings"].reverse() or setting("postings", 0, 1, to=1)(told),
        ),
    ]
    assert document["included"]
    for place, (topic, change) in enumerate(plants):
        stream_id = first.id if topic.startswith("invoice.") else None
        assert await planted.found(topic, change, stream_id) != "", place
    await owner.execute(
        "UPDATE issued_documents SET content_sha256 = decode(repeat('00', 32), 'hex')"
        " WHERE customer_id = %s AND invoice_id = %s",
        (tenant_id, first.id),
    )
    checks = await verify_invoices(owner, installation.parts.seals.opened, lambda _: None)
    assert any(str(first.id) in one for check in checks for one in check.violations)


async def test_credits_that_came_back_are_those_of_the_notes(
    installation: Installation, owner: AsyncConnection
) -> None:
    tenant_id = await billed(installation)
    planted = Planted(installation.parts, owner, tenant_id)
    first = await installation.invoice(tenant_id, NOON)
    second = await installation.invoice(tenant_id, DECEMBER)
    document: Any = first.document
    line = next(one for one in document["lines"] if one["kind"] == "recurring")
    await installation.done(CreditInvoice(tenant_id, first.id, "outage", [(line["line"], "10")]))
    await installation.done(CreditInvoice(tenant_id, first.id, "the rest", ()))
    if second.status != "paid":
        await installation.done(VoidInvoice(tenant_id, second.id, "wrong"))
    assert await planted.found() == ""
    restored = CreditAccount.Restored.TOPIC
    less = lambda told: told.update(postings=[["consumed:x", 0]])  # noqa: E731 # a change
    assert "came back" in await planted.found(restored, less)
    note = in_document(setting("lines", 0, "amount", to="9.00"))
    assert "invoice.credited" in await planted.found(Invoice.Credited.TOPIC, note)
    for member in ("total", "given_back", "reason", "number"):
        change = in_document(setting(member, to="8.00"))
        assert await planted.found(Invoice.Credited.TOPIC, change) != "", member


async def test_a_document_counts_only_with_what_held_when_its_facts_were_closed(
    installation: Installation, owner: AsyncConnection
) -> None:
    """What changed after that is of the next one; what the document names is what was read."""
    tenant_id = await billed(installation)
    planted = Planted(installation.parts, owner, tenant_id)
    await installation.done(AddressInvoices("Ledger GmbH", ["Hafen 1"], "DE", None, None, "LG-"))
    await installation.until(FEBRUARY + GRACE)
    third: Any = (await installation.invoice(tenant_id, JANUARY)).document
    assert third["number"].startswith("LG-")
    assert third["issuer"]["legal_name"] == "Ledger GmbH"
    assert await planted.found() == ""
    # As documents were once; of this one only the copy of its issuer says that it named some.
    unnamed = in_document(lambda told: told.pop("made_of"))
    first = await installation.invoice(tenant_id, NOON)
    said = await planted.found(Invoice.Finalized.TOPIC, unnamed, first.id)
    assert said == f"invoice {first.id} of {tenant_id}: its issuer keeps something else"
