"""Identifiers are UUIDs of version 7, and later ones sort after earlier ones; a clock that differs
from PostgreSQL's is told.
"""

import copy
import logging
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from infra.clock import SystemClock, Uuid7Ids
from infra.clock_watch import OFFSET_TOLD_S, ClockWatch
from infra.metrics import Metrics
from tests.infra.conftest import Parts, conninfo, parts

__all__ = ["conninfo", "parts"]


class WrongClock(SystemClock):
    """Ahead by that much."""

    def __init__(self, ahead_s: float) -> None:
        self.ahead = timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        return super().now() + self.ahead


def test_an_id_is_a_uuid_like_any_other() -> None:
    made = Uuid7Ids().new()
    same = UUID(str(made))
    assert type(made) is UUID
    assert (made, hash(made), made.bytes, made.is_safe) == (
        same,
        hash(same),
        same.bytes,
        same.is_safe,
    )
    assert (made.version, made.variant) == (7, same.variant)
    assert copy.deepcopy(made) == made


def test_later_ids_sort_after_earlier_ones() -> None:
    made = [Uuid7Ids().new() for _ in range(1000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_the_bytes_of_an_id_are_drawn_from_the_same_sequence() -> None:
    made = [Uuid7Ids().new(), UUID(bytes=Uuid7Ids().new_bytes()), Uuid7Ids().new()]
    assert made == sorted(set(made))
    assert made[1].version == made[0].version


@pytest.mark.parametrize(("ahead_s", "said"), [(-600, "600.0 s behind"), (90, "90.0 s ahead of")])
async def test_a_worker_whose_clock_differs_from_that_of_postgresql_says_so_once(
    parts: Parts, caplog: pytest.LogCaptureFixture, ahead_s: float, said: str
) -> None:
    caplog.set_level(logging.WARNING)
    clock, metrics = WrongClock(ahead_s), Metrics()
    watch = ClockWatch(await parts.database("worker"), clock)
    await watch.look()
    await watch.look()
    (warning,) = [one.getMessage() for one in caplog.records if one.name == "infra.clock_watch"]
    assert said in warning
    watch.tell(metrics)
    told = metrics.registry.get_sample_value("clock_offset_seconds")
    assert told == pytest.approx(ahead_s, abs=OFFSET_TOLD_S)
    clock.ahead = timedelta()
    await watch.look()
    assert abs(watch.offset_s) < OFFSET_TOLD_S
