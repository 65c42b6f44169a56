"""Prices that hold: the books of tenants, plans and the platform, over the list of the release.

worker: PriceBooks     every book in memory; which have a new version is asked every second
api:    StoredPrices   the books that hold for one tenant, loaded when a command needs them
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from commands.plan_port import Plans
from commands.ports import EventStore
from commands.sealing_port import KeyDestroyed
from domain.errors import Unavailable
from domain.identifiers import PLATFORM, TenantId
from domain.price_books import PriceBook, price_book_id
from domain.rating import PriceSource
from infra.models.prices import OFFLINE_PRICES, listed_prices, load_prices
from infra.postgres import Database

log = logging.getLogger(__name__)

POLL_S = 1.0
BOOKS_MAX = 100_000
_OFFLINE = (OFFLINE_PRICES,)
# Of these nobody reads the list: what tenants count themselves has no price in either.
_UNLISTED = ("offline/", "meter/")

BOOKS: LiteralString = "SELECT tenant_id, book_id, book_version FROM price_books LIMIT %s"


class ListedPrices:
    """Implements commands.price_port.Prices with no book at all."""

    async def sources(
        self,
        tenant_id: TenantId,  # noqa: ARG002 # the port's
        model: str,
        at: datetime,  # noqa: ARG002 # the port's
    ) -> Sequence[PriceSource]:
        return _unlisted(model) or await _listed()


class PriceBooks:
    """Implements commands.price_port.Prices. database: the role `worker`. Without the database what
    was known last holds.
    """

    def __init__(self, database: Database, events: EventStore, plans: Plans) -> None:
        self._database = database
        self._events = events
        self._plans = plans
        # By the id of the book; those of plans are the platform's streams.
        self._books: dict[UUID, PriceBook] = {}

    async def sources(self, tenant_id: TenantId, model: str, at: datetime) -> Sequence[PriceSource]:
        listed = _unlisted(model) or await _listed()
        if not self._books:
            return listed
        with suppress(Unavailable):
            await self._plans.of(tenant_id)
        plan_id = self._plans.known(tenant_id).plan_id
        books = [self._books.get(price_book_id(one)) for one in (tenant_id, plan_id, PLATFORM)]
        return [*_effective(books, at), *listed]

    async def refresh(self) -> None:
        async with self._database.connection() as conn:
            rows = await (await conn.execute(BOOKS, (BOOKS_MAX,))).fetchall()
        for tenant_id, book_id, book_version in rows:
            known = self._books.get(book_id)
            if known is None or len(known.versions) < book_version:
                await self._load(TenantId(tenant_id), book_id)
        for gone in self._books.keys() - {row[1] for row in rows}:
            del self._books[gone]

    async def _load(self, tenant_id: TenantId, book_id: UUID) -> None:
        try:
            book = await self._events.load(PriceBook, book_id, tenant_id)
        except KeyDestroyed:
            return  # The row goes with what is left of the tenant.
        if book is not None:
            self._books[book_id] = book

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                await self.refresh()
            except Unavailable as error:
                log.warning("prices are not known anew: %s", error)
            await asyncio.sleep(POLL_S)


class StoredPrices:
    """Implements commands.price_port.Prices."""

    def __init__(self, events: EventStore, plans: Plans) -> None:
        self._events = events
        self._plans = plans

    async def sources(self, tenant_id: TenantId, model: str, at: datetime) -> Sequence[PriceSource]:
        plan = await self._plans.of(tenant_id)
        books = [
            await self._book(tenant_id, tenant_id),
            await self._book(plan.plan_id, PLATFORM),
            await self._book(PLATFORM, PLATFORM),
        ]
        listed = _unlisted(model) or await _listed()
        return [*_effective(books, at), *listed]

    async def _book(self, owner_id: UUID, tenant_id: TenantId) -> PriceBook | None:
        """tenant_id: of the stream."""
        book = await self._events.load(PriceBook, price_book_id(owner_id), tenant_id)
        if book is not None:
            self._events.keep(book, tenant_id)
        return book


def _effective(books: Sequence[PriceBook | None], at: datetime) -> list[PriceSource]:
    return [
        version
        for book in books
        if book is not None and (version := book.version_at(at)) is not None
    ]


def _unlisted(model: str) -> tuple[PriceSource] | None:
    """None: it may be on the list."""
    return _OFFLINE if model.startswith(_UNLISTED) else None


async def _listed() -> tuple[PriceSource]:
    await load_prices()
    return (listed_prices(),)
