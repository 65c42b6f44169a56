"""Facts, numbers and timers of billing without a database."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from commands.billing_port import (
    DueBilling,
    IssuedCopy,
    IssuedDocument,
    RemovedBillingTimer,
    Series,
    SetBillingTimer,
)
from commands.ports import SideRow
from domain.identifiers import TenantId
from domain.invoice_facts import Fact, Place


class Store(Protocol):
    side_rows: list[SideRow]
    owned_side_rows: list[tuple[TenantId, SideRow]]


class FakeBilling:
    """log: facts in the order in which they were stored; their places count up."""

    def __init__(self, store: Store) -> None:
        self.log: list[tuple[TenantId, Fact]] = []
        self._store = store

    def used(self, tenant_id: TenantId, happened_at: datetime, **told: Any) -> Fact:
        place = (1, len(self.log) + 1, 0)
        usual: dict[str, Any] = {
            "stream_id": UUID(int=len(self.log) + 1),
            "path": "draft",
            "attempt": 1,
            "model": "offline/echo",
            "prices": "offline/1",
            "lines": [("input_tokens", 1_000_000, 10**12)],
        }
        fact = Fact(place, happened_at, **{**usual, **told})
        self.log.append((tenant_id, fact))
        return fact

    async def settled(self) -> Place:
        return (1, len(self.log) + 1, -1)

    async def facts(
        self, tenant_id: TenantId, *, after: Place, before: Place
    ) -> AsyncIterator[Sequence[Fact]]:
        yield [
            fact for owner, fact in self.log if owner == tenant_id and after < fact.place < before
        ]

    async def last_number(self, issuer_id: TenantId, series: Series) -> int:
        return max([row.number for row in self._issued(issuer_id, series)], default=0)

    async def issued(self, issuer_id: TenantId, invoice_id: UUID) -> IssuedCopy | None:
        for row in self._issued(issuer_id, "invoice"):
            if row.invoice_id == invoice_id:
                return IssuedCopy(row.number, row.sealed)
        return None

    def _issued(self, issuer_id: TenantId, series: Series) -> list[IssuedDocument]:
        return [
            row
            for row in self._store.side_rows
            if isinstance(row, IssuedDocument)
            and (row.issuer_id, row.series) == (issuer_id, series)
        ]


class FakeBillingTimers:
    """Read off the side rows that the store kept; nobody else claims anything. released: with for
    how long nobody is to look at it again, which is not kept to.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.released: list[tuple[DueBilling, float]] = []

    async def claim(self, lease_s: float, *, now: datetime) -> DueBilling | None:
        del lease_s
        due = [one for one, due_at in self.timers().items() if due_at <= now]
        return min(due, key=lambda one: self.timers()[one], default=None)

    async def release(self, due: DueBilling, *, pause_s: float) -> None:
        self.released.append((due, pause_s))

    def timers(self) -> dict[DueBilling, datetime]:
        found: dict[DueBilling, datetime] = {}
        for owner, row in self._store.owned_side_rows:
            if isinstance(row, SetBillingTimer):
                found[DueBilling(owner, row.subject_id)] = row.due_at
            elif isinstance(row, RemovedBillingTimer):
                found.pop(DueBilling(owner, row.subject_id), None)
        return found
