"""An invoice made again from the log alone: its facts, and every aggregate that it names as it was
at the version that it names. What is taken from the document is what nothing else can know: when it
was finalised, under which number, and which versions were read; and these are held against the log.
"""

from collections.abc import AsyncIterator, Sequence
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from commands.invoice_making import CREDIT_NOTE_PREFIX, NUMBER_DIGITS, party_of, printed_number
from commands.invoice_writing import Bounds, Party, Sources, Written, place_of, write_invoice
from commands.ports import LoggedEvent
from domain.billing_accounts import BillingAccount, billing_account_id
from domain.credit_notes import burned_of, credit_note, given_back
from domain.credits import CreditAccount, credit_account_id
from domain.identifiers import PLATFORM, JsonObject, TenantId
from domain.invoice_documents import canonical, content_sha256
from domain.invoice_facts import Place
from domain.invoice_periods import month_after
from domain.invoices import Invoice
from domain.subscriptions import Subscription, subscription_id
from domain.tenants import Tenant
from infra.billing_facts import FactReader
from infra.event_codec import decode
from infra.event_sealing import is_erased
from infra.stream_histories import StreamHistories


class InvoiceReplay:
    """Of one tenant."""

    def __init__(self, tenant_id: TenantId, histories: StreamHistories, facts: FactReader) -> None:
        self._tenant_id = tenant_id
        self._histories = histories
        self._facts = facts

    async def mistakes(self, closing: BillingAccount.PeriodClosed) -> AsyncIterator[str]:
        """What the document of the invoice of that closing, and its credit notes, do not have as
        the log has it, in words.
        """
        events = await self._histories.events(UUID(closing.invoice_id))
        finalized = next((one for one in events if one.topic == Invoice.Finalized.TOPIC), None)
        if finalized is None:
            yield "it was never finalised"
            return
        fact = cast("Invoice.Finalized", decode(finalized))
        if content_sha256(fact.document) != fact.content_sha256:
            yield "its hash is of something else"
        try:
            made, sources = await self._made_again(finalized, fact, closing)
            for mistake in _compared(made, fact, closing):
                yield mistake
            for mistake in await self._of_credits(events, made, sources):
                yield mistake
            for event in events:
                if not await self._is_right(event, made):
                    yield f"{event.topic} of version {event.version} says something else"
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            yield f"its document cannot be made again: {type(error).__name__} {error}"

    async def _made_again(
        self, finalized: LoggedEvent, fact: Invoice.Finalized, closing: BillingAccount.PeriodClosed
    ) -> tuple[Written, Sources]:
        document: Any = fact.document
        read = _Versions(document.get("made_of"), finalized.position, self._histories)
        closed_to = place_of(closing.closed_to)
        sources = await self._sources(finalized, document, read)
        for mistake in await read.stale(closed_to):
            raise ValueError(mistake)
        bounds = Bounds.after(sources.account, closed_to)
        gathered = sources.gathering(bounds)
        pages = self._facts.facts(self._tenant_id, after=bounds.read_from, before=bounds.closed_to)
        async for page in pages:
            gathered.take(page)
        written = write_invoice(
            sources,
            gathered,
            number=printed_number(sources.issuer, fact.number),
            bounds=bounds,
            now=datetime.fromisoformat(document["finalized_at"]),
        )
        return written, sources

    async def _sources(
        self, finalized: LoggedEvent, document: dict[str, Any], read: "_Versions"
    ) -> Sources:
        own, tenant_id = self._tenant_id, self._tenant_id
        account = await read.at(BillingAccount, "billing_account", billing_account_id(own))
        invoice = await self._histories.at(Invoice, finalized.stream_id, finalized.version - 1)
        assert account is not None
        assert invoice is not None
        if month_after(invoice.period_start, invoice.time_zone) != invoice.period_end:
            raise ValueError("its period is no month")
        tenant = None if account.party else await read.at(Tenant, "tenant", tenant_id)
        issuer_id = PLATFORM if invoice.issuer_id is None else TenantId(UUID(invoice.issuer_id))
        # Burning changes it, and what is folded goes on to be folded.
        credit = await read.at(CreditAccount, "credit_account", credit_account_id(own))
        return Sources(
            account=account,
            invoice=invoice,
            subscription=await read.at(Subscription, "subscription", subscription_id(own)),
            credit=deepcopy(credit),
            issuer=await self._issuer(issuer_id, document, read),
            customer=party_of(tenant_id, account, tenant),
        )

    async def _issuer(
        self, issuer_id: TenantId, document: dict[str, Any], read: "_Versions"
    ) -> Party:
        account_id = billing_account_id(issuer_id)
        if any(is_erased(one) for one in await self._histories.events(account_id)) or any(
            is_erased(one) for one in await self._histories.events(issuer_id)
        ):
            # Its key is destroyed, and what it called itself stands here alone.
            versions = document.get("made_of", {})
            return Party(
                document["issuer"],
                document["number"][:-NUMBER_DIGITS],
                versions.get("issuer_account", 0),
                versions.get("issuer_tenant", 0),
            )
        account = await read.at(BillingAccount, "issuer_account", account_id)
        is_named = issuer_id == PLATFORM or (account is not None and account.party)
        tenant = None if is_named else await read.at(Tenant, "issuer_tenant", issuer_id)
        return party_of(issuer_id, account, tenant)

    async def _of_credits(
        self, events: Sequence[LoggedEvent], made: Written, sources: Sources
    ) -> list[str]:
        """What burned for it, grant by grant, and how much of that came back."""
        invoice_id = made.closing.invoice_id
        stored = await self._histories.events(credit_account_id(self._tenant_id))
        facts = [decode(one) for one in stored]
        burned = [
            one.postings
            for one in facts
            if isinstance(one, CreditAccount.Burned) and one.invoice_id == invoice_id
        ]
        credit = sources.credit
        pending = [] if credit is None else credit.pending_events
        due = [one.postings for one in pending if isinstance(one, CreditAccount.Burned)]
        if burned != due:
            return [f"credits {burned} burned for it, and {due} should have"]
        restored = sum(
            amount
            for one in facts
            if isinstance(one, CreditAccount.Restored) and one.invoice_id == invoice_id
            for account, amount in cast("list[tuple[str, int]]", one.postings)
            if account.startswith("grant:")
        )
        back = _to_come_back(events, made, sources)
        if back is None or back == restored:
            return []
        return [f"{restored} pico-USD of credits came back of it, and {back} should have"]

    async def _is_right(self, event: LoggedEvent, made: Written) -> bool:
        """What follows from the document."""
        fact = decode(event)
        if isinstance(fact, Invoice.Issued) and "made_of" in made.document:
            told: Any = made.document
            terms = timedelta(days=told["payment_terms_days"])
            due_at = datetime.fromisoformat(told["finalized_at"]) + terms
            return fact.due_at == due_at.isoformat()
        return not isinstance(fact, Invoice.Credited) or await self._is_note_right(event, fact)

    async def _is_note_right(self, event: LoggedEvent, fact: Invoice.Credited) -> bool:
        document: Any = fact.document
        invoice = await self._histories.at(Invoice, event.stream_id, event.version - 1)
        assert invoice is not None
        amounts = {one["line"]: one["amount"] for one in document["lines"]}
        number = f"{CREDIT_NOTE_PREFIX}{fact.number:0{NUMBER_DIGITS}d}"
        # Lines that give back are a part of all that is left, and cannot be named.
        if any(text.startswith("-") for text in amounts.values()):
            amounts = {}
        note = credit_note(
            invoice,
            number=number,
            reason=document["reason"],
            amounts=amounts,
            issued_at=datetime.fromisoformat(document["issued_at"]),
        )
        again = _as_old_as(document, note.document, "given_back")
        return (canonical(again), note.amount) == (canonical(document), fact.amount) and (
            content_sha256(document) == fact.content_sha256
        )


class _Versions:
    """At which version each aggregate was read. made_of: as the document says; without it, as
    documents had none once: what lies before the invoice.
    """

    def __init__(
        self, made_of: dict[str, int] | None, place: Place, histories: StreamHistories
    ) -> None:
        self._made_of = made_of
        self._place = place
        self._histories = histories
        self._read: list[tuple[str, UUID, int]] = []

    async def at(self, kind: Any, name: str, stream_id: UUID) -> Any:
        if self._made_of is None:
            version = await self._histories.version_before(stream_id, self._place)
        else:
            version = self._made_of[name]
            self._read.append((name, stream_id, version))
        return await self._histories.at(kind, stream_id, version)

    async def stale(self, closed_to: Place) -> list[str]:
        """No version counts that is not in the log before the invoice, or had been followed by
        another one when the facts were closed.
        """
        found: list[str] = []
        for name, stream_id, version in self._read:
            least = await self._histories.version_before(stream_id, closed_to)
            most = await self._histories.version_before(stream_id, self._place)
            if not least <= version <= most:
                found.append(f"{name} is of version {version}, and {least} to {most} counted")
        return found


def _compared(
    made: Written, fact: Invoice.Finalized, closing: BillingAccount.PeriodClosed
) -> list[str]:
    told = fact.document
    again = _as_old_as(told, made.document, "made_of")
    found: list[str] = []
    if canonical(again) != canonical(told):
        found.append(f"the log says something else of {', '.join(_differing(again, told))}")
    amounts = (made.amounts.currency, made.amounts.total, made.amounts.amount_due)
    if amounts != (fact.currency, fact.total, fact.amount_due):
        found.append(f"its event says it is of other amounts than {amounts}")
    stored = {name: getattr(closing, name) for name in made.closing._fields}
    if stored != made.closing._asdict():
        found.append("its period was closed in another way")
    return found


def _differing(made: JsonObject, told: JsonObject) -> list[str]:
    """Members, and of lines which."""
    names = [name for name in sorted({*made, *told}) if made.get(name) != told.get(name)]
    if "lines" not in names:
        return names
    names.remove("lines")
    sides = [cast("list[JsonObject]", one.get("lines", [])) for one in (made, told)]
    longest = max(sides, key=len)
    differing = [
        f"line {place} ({line.get('kind')})"
        for place, line in enumerate(longest, 1)
        if len({canonical(side[place - 1]) if place <= len(side) else b"" for side in sides}) > 1
    ]
    return [*differing, *names]


def _as_old_as(told: JsonObject, made: JsonObject, name: str) -> JsonObject:
    """Without a member that documents did not have once."""
    return made if name in told else {one: value for one, value in made.items() if one != name}


def _to_come_back(events: Sequence[LoggedEvent], made: Written, sources: Sources) -> int | None:
    """In pico-USD. None: nobody can know, for a note of it does not say what it gave back."""
    invoice_id = made.closing.invoice_id
    burn = None if sources.credit is None else sources.credit.burns.get(invoice_id)
    if burn is None:
        return 0
    facts = [decode(one) for one in events]
    if any(isinstance(one, Invoice.Voided) for one in facts):
        return burn.amount_pico
    notes = [one for one in facts if isinstance(one, Invoice.Credited)]
    if any("given_back" not in one.document for one in notes):
        return None
    credited = sum(one.amount for one in notes)
    return burned_of(made.document, given_back(made.document, credited).credits, burn.amount_pico)
