"""Versions of prices, and which of them holds when."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.identifiers import PLATFORM, JsonObject
from domain.price_books import PriceBook, PricesInThePast, price_book_id, sources_told
from domain.prices import OverPeriod, Package, UnitPrice
from tests.domain.given import Story

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_book() -> Story[PriceBook]:
    return Story(PriceBook(id=price_book_id(PLATFORM), owner="platform"))


def prices(usd_pico: int) -> dict[str, Any]:
    return {"m/a": {"input_tokens": {"kind": "unit", "usd_pico": usd_pico, "per": 1}}}


def publish(usd_pico: int, *, since: datetime = NOON, now: datetime = NOON) -> Any:
    return lambda story: story.aggregate.publish(
        prices(usd_pico), margin="0.2", effective_from=since, now=now
    )


def price_at(story: Story[PriceBook], instant: datetime) -> object:
    version = story.aggregate.version_at(instant)
    return None if version is None else version.price("m/a", "input_tokens")


def test_a_version_holds_from_its_instant_on() -> None:
    book = a_book().when(publish(5, since=NOON + HOUR))
    assert price_at(book, NOON + HOUR - timedelta(microseconds=1)) is None
    assert price_at(book, NOON + HOUR) == UnitPrice(5)


def test_a_newer_version_takes_over_when_its_time_has_come() -> None:
    book = a_book().when(publish(5)).when(publish(6, since=NOON + HOUR))
    assert book.answer == 2
    assert (price_at(book, NOON), price_at(book, NOON + HOUR)) == (UnitPrice(5), UnitPrice(6))
    book.then(
        (
            "price_book.published",
            {
                "book_version": 2,
                "effective_from": (NOON + HOUR).isoformat(),
                "margin": "0.2",
                "prices": prices(6),
            },
        )
    )


def test_a_correction_replaces_what_was_planned() -> None:
    book = a_book().when(publish(5, since=NOON + HOUR)).when(publish(6, since=NOON))
    assert price_at(book, NOON + HOUR) == UnitPrice(6)


def test_a_price_is_of_each_call_unless_its_book_says_that_it_is_of_the_period() -> None:
    """Books that were published before this could be said mean what they meant."""
    package = {"kind": "package", "usd_pico": 5, "size": 10}
    told: JsonObject = {
        "m/a": {"input_tokens": package, "output_tokens": {**package, "over": "period"}}
    }
    book = a_book()
    book.aggregate.publish(told, margin="0", effective_from=NOON, now=NOON)
    version = book.aggregate.version_at(NOON)
    assert version is not None
    found = [version.price("m/a", meter) for meter in ("input_tokens", "output_tokens")]
    assert found == [Package(5, 10), OverPeriod(Package(5, 10))]


def test_prices_never_change_what_is_past() -> None:
    with pytest.raises(PricesInThePast):
        a_book().when(publish(5, since=NOON - timedelta(microseconds=1)))


def test_the_stream_of_a_book_is_found_by_its_owner_for_ever() -> None:
    assert price_book_id(PLATFORM) == UUID("964695d8-f278-5dab-a6d7-7ed2169300d3")


@pytest.mark.parametrize(
    ("owner", "named", "usd_pico"),
    [
        ("tenant", "ours/*", 1),
        ("tenant", "ours/llama", 1),
        ("tenant", "hosted_vllm/llama", 1),
        ("tenant", "theirs/*", None),
        # A tenant chooses the name: nobody else's prices go by it.
        ("platform", "ours/*", None),
        ("platform", "hosted_vllm/*", 1),
    ],
)
def test_the_book_of_a_tenant_may_name_a_model_as_the_tenant_does(
    owner: str, named: str, usd_pico: int | None
) -> None:
    book = PriceBook(id=price_book_id(PLATFORM), owner=owner)
    price = {"kind": "unit", "usd_pico": 1, "per": 1}
    book.publish({named: {"output_tokens": price}}, margin="0", effective_from=NOON, now=NOON)
    version = book.version_at(NOON)
    assert version is not None
    (source,) = sources_told([version], "hosted_vllm/llama", "ours/llama")
    found = source.price("hosted_vllm/llama", "output_tokens")
    assert found == (None if usd_pico is None else UnitPrice(usd_pico))


def test_what_a_tenant_calls_a_model_counts_before_its_real_name() -> None:
    book = PriceBook(id=price_book_id(PLATFORM), owner="tenant")
    told: JsonObject = {
        name: {"output_tokens": {"kind": "unit", "usd_pico": usd_pico, "per": 1}}
        for usd_pico, name in enumerate(("ours/*", "hosted_vllm/llama", "*"))
    }
    book.publish(told, margin="0", effective_from=NOON, now=NOON)
    version = book.version_at(NOON)
    assert version is not None
    (source,) = sources_told([version], "hosted_vllm/llama", "ours/llama")
    assert source.price("hosted_vllm/llama", "output_tokens") == UnitPrice(0)
    assert version.price("hosted_vllm/llama", "output_tokens") == UnitPrice(1)
