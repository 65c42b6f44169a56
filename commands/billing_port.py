"""The port of billing: facts as the log has them, numbers that were given, and what is due."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, TypeAlias
from uuid import UUID

from domain.identifiers import TenantId
from domain.invoice_facts import Fact, Place

Series: TypeAlias = Literal["invoice", "credit_note"]

# Rows are written in the transaction of the events that say so.


@dataclass(frozen=True, slots=True)
class SetBillingTimer:
    """subject_id: of the billing account, or of an invoice that is to be paid."""

    subject_id: UUID
    due_at: datetime


@dataclass(frozen=True, slots=True)
class RemovedBillingTimer:
    subject_id: UUID


@dataclass(frozen=True, slots=True)
class IssuedDocument:
    """What its issuer keeps. sealed: the canonical JSON, with the key of the issuer, bound to
    `document_place`. Raises Stale at the append when somebody else took the number first.
    """

    issuer_id: TenantId
    series: Series
    number: int
    invoice_id: UUID
    content_sha256: str
    sealed: bytes


BillingRow: TypeAlias = SetBillingTimer | RemovedBillingTimer | IssuedDocument

# What documents are sealed as.
DOCUMENTS = "issued_documents"


def document_place(series: Series, number: int) -> str:
    return f"{series}/{number}"


class Billing(Protocol):
    async def settled(self) -> Place:
        """Everything before this place is stored and visible; whatever comes later comes after."""
        ...

    def facts(
        self, tenant_id: TenantId, *, after: Place, before: Place
    ) -> AsyncIterator[Sequence[Fact]]:
        """What the tenant used, as the log has it between these places, in its order, in pages."""
        ...

    async def last_number(self, issuer_id: TenantId, series: Series) -> int:
        """0 where none was given yet."""
        ...

    async def issued(self, issuer_id: TenantId, invoice_id: UUID) -> "IssuedCopy | None":
        """What the issuer kept of an invoice."""
        ...


class IssuedCopy(NamedTuple):
    number: int
    sealed: bytes


class DueBilling(NamedTuple):
    tenant_id: TenantId
    subject_id: UUID


class BillingTimers(Protocol):
    """Shared by workers: what one has claimed no other does until it is released, or the lease has
    run out.
    """

    async def claim(self, lease_s: float, *, now: datetime) -> DueBilling | None:
        """What has been due for longest, leased for so long."""
        ...

    async def release(self, due: DueBilling, *, pause_s: float) -> None: ...
