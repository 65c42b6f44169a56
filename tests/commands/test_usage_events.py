"""What a tenant counts itself is counted once, for ever."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from commands.price_books import PublishPrices
from commands.usage_events import SendUsageEvents, SentEvent
from domain.errors import Invalid
from domain.identifiers import TenantId
from domain.usage_events import UsageEventConflict
from tests.commands.fakes import NOON, World

PRINTED = SentEvent("/printers/1", "a-1", "pages_printed", None, NOON, {"quantity": 12})


async def send(world: World, *events: SentEvent) -> dict[str, Any]:
    return (await world.when(SendUsageEvents(events))).result


def states(world: World) -> list[dict[str, Any]]:
    return [orjson.loads(one.state) for one in world.store.events]


async def test_an_event_is_counted_once_however_often_it_is_sent() -> None:
    world = World()
    other = replace(PRINTED, source="/printers/2")
    assert await send(world, PRINTED, PRINTED, other) == {"accepted": 2, "duplicates": 1}
    assert await send(world, other, PRINTED) == {"accepted": 0, "duplicates": 2}
    assert world.store.topics == ["usage_event.created"] * 2


@pytest.mark.parametrize(
    "changes",
    [{"data": {"quantity": 13}}, {"type": "sheets"}, {"subject": "ada"}, {"time": None}],
    ids=["quantity", "type", "subject", "time"],
)
async def test_another_event_under_the_same_id_is_refused_with_all_that_came_with_it(
    changes: dict[str, Any],
) -> None:
    world = World()
    await send(world, PRINTED)
    with pytest.raises(UsageEventConflict) as refused:
        await send(world, replace(PRINTED, id="a-2"), replace(PRINTED, **changes))
    assert f"the source {PRINTED.source} and the id {PRINTED.id};" in refused.value.detail
    assert len(world.store.events) == 1


async def test_two_sources_and_ids_that_read_alike_are_two_events() -> None:
    world = World()
    one, other = replace(PRINTED, source="a/b", id="c"), replace(PRINTED, source="a", id="b/c")
    assert await send(world, one, other) == {"accepted": 2, "duplicates": 0}


async def test_the_same_event_of_another_tenant_is_another() -> None:
    world = World()
    await send(world, PRINTED)
    world.tenant_id = TenantId(world.ids.new())
    world.caller = world.caller_with("usage:write")
    assert await send(world, PRINTED) == {"accepted": 1, "duplicates": 0}


async def test_a_meter_that_a_book_prices_costs_and_another_says_that_it_has_no_price() -> None:
    world = World()
    price = {"kind": "package", "usd_pico": 10**12, "size": 10}
    book = PublishPrices(None, {"meter/*": {"pages_printed": price}})
    await world.when(book, caller=world.operator)
    await send(world, PRINTED, replace(PRINTED, id="a-2", type="sheets"))
    lines = [state["usage"]["lines"] for state in states(world)[-2:]]
    assert lines == [[["pages_printed", 12, 2 * 10**12]], [["sheets", 12, None]]]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"type": "requests"}, "/1/type"),
        ({"time": NOON + timedelta(minutes=6)}, "/1/time"),
        ({"time": NOON - timedelta(days=367)}, "/1/time"),
    ],
)
async def test_what_cannot_be_counted_is_named(changes: dict[str, Any], path: str) -> None:
    world = World()
    with pytest.raises(Invalid) as refused:
        await send(world, PRINTED, replace(PRINTED, id="a-2", **changes))
    assert [mistake.path for mistake in refused.value.errors] == [path]
    assert world.store.events == []
