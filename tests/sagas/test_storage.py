"""What tenants keep is counted once for each day, when it is over. Numbers are worked by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from commands.plan_port import NobodyLimited
from commands.price_books import PublishPrices
from domain.identifiers import JsonObject, TenantId
from domain.storage_measurements import (
    LOG_BEGINNING,
    KeptBytes,
    LogPlace,
)
from infra.price_books import StoredPrices
from sagas.storage import StorageSaga
from tests.commands.fakes import World


@dataclass
class ToldStorage:
    """Implements commands.storage_port.Storage. asked: behind which place, before which instant."""

    of: dict[TenantId, KeptBytes]
    asked: list[tuple[LogPlace, datetime]] = field(default_factory=list)

    async def tenants(self, *, after: TenantId, limit: int) -> Sequence[TenantId]:
        return sorted(one for one in self.of if one > after)[:limit]

    async def kept(self, tenant_id: TenantId, *, after: LogPlace, before: datetime) -> KeptBytes:
        self.asked.append((after, before))
        return self.of[tenant_id]


def a_saga(world: World, storage: ToldStorage) -> StorageSaga:
    prices = StoredPrices(world.store, NobodyLimited())
    return StorageSaga(storage, world.store, prices, world.clock, "worker:one", 300)


def told(world: World) -> list[Any]:
    """(day, log_bytes, lines) of every day that was counted."""
    return [
        (state["day"], state["log_bytes"], cast("JsonObject", state["usage"])["lines"])
        for topic, state in zip(world.store.topics, world.store.states, strict=True)
        if topic == "storage_measurement.created"
    ]


async def test_what_was_kept_is_counted_once_for_a_day_that_is_over() -> None:
    world = World()
    tenant_id = TenantId(world.ids.new())
    storage = ToldStorage({tenant_id: KeptBytes(1_000, 500, (1, 7, -1))})
    assert await a_saga(world, storage).work_once() == 1
    assert await a_saga(world, storage).work_once() == 0
    assert told(world) == [("2026-11-20", 500, [["storage_bytes", 1_500, 0]])]
    assert storage.asked == [(LOG_BEGINNING, datetime(2026, 11, 21, tzinfo=UTC))]
    assert world.store.states[0]["happened_at"] == "2026-11-20T23:59:59.999999+00:00"


async def test_the_next_day_goes_on_from_where_the_log_was_counted() -> None:
    world = World()
    tenant_id = TenantId(world.ids.new())
    storage = ToldStorage({tenant_id: KeptBytes(1_000, 500, (1, 7, -1))})
    saga = a_saga(world, storage)
    await saga.work_once()
    world.clock.pass_time(days=1)
    storage.of[tenant_id] = KeptBytes(0, 20, (1, 9, -1))
    assert await saga.work_once() == 1
    assert await saga.work_once() == 0
    assert storage.asked[1] == ((1, 7, -1), datetime(2026, 11, 22, tzinfo=UTC))
    assert told(world)[1] == ("2026-11-21", 520, [["storage_bytes", 520, 0]])


async def test_a_price_book_sells_it_by_the_byte_and_day() -> None:
    """3 GB for a day at 0.30 USD for a GB over 30 days are 0.03 USD."""
    world = World()
    price = {"kind": "unit", "usd_pico": 3 * 10**11, "per": 30 * 10**9}
    prices: JsonObject = {"*": {"storage_bytes": price}}
    book = PublishPrices(None, prices)
    world.clock.pass_time(days=-1)
    await world.when(book, caller=world.operator)
    world.clock.pass_time(days=1)
    tenant_id = TenantId(world.ids.new())
    await a_saga(
        world, ToldStorage({tenant_id: KeptBytes(3 * 10**9 - 1, 1, (1, 7, -1))})
    ).work_once()
    ((_, _, lines),) = told(world)
    assert lines == [["storage_bytes", 3 * 10**9, 3 * 10**10]]


async def test_a_tenant_that_was_not_there_on_that_day_kept_nothing() -> None:
    world = World()
    storage = ToldStorage({TenantId(world.ids.new()): KeptBytes(0, 0, (1, 7, -1))})
    assert await a_saga(world, storage).work_once() == 0
    assert told(world) == []
