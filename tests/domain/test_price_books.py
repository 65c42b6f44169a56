"""Versions of prices, and which of them holds when."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.identifiers import PLATFORM
from domain.price_books import PriceBook, PricesInThePast, price_book_id
from domain.prices import UnitPrice
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


def test_prices_never_change_what_is_past() -> None:
    with pytest.raises(PricesInThePast):
        a_book().when(publish(5, since=NOON - timedelta(microseconds=1)))


def test_the_stream_of_a_book_is_found_by_its_owner_for_ever() -> None:
    assert price_book_id(PLATFORM) == UUID("964695d8-f278-5dab-a6d7-7ed2169300d3")
