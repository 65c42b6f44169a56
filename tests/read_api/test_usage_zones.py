"""Days and months of time zones are put together from days of UTC and shorter sums."""

import random
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from domain.executions import Execution
from tests.projections.histories import Stream
from tests.read_api.api import Api
from tests.read_api.test_execution_stats import GROUPED
from tests.read_api.test_usage import a_call, usage, used

# With days of 23, 24.5 and 25 hours; one whose clocks change at midnight; and quarters.
ZONES = ["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Tokyo"]
CHANGES = ["2026-03-08T05:00", "2026-03-29T01:00", "2026-04-04T15:00", "2026-11-01T04:00"]
ECHO, OTHER = "offline/echo", "openai/gpt-4o"


def a_run(tenant_id: Any, at: str, *, has_ended: bool, **fields: Any) -> Stream:
    """All of it happened then."""
    run = a_call(tenant_id, at, **fields)
    if has_ended:
        run.happens(Execution.Completed, output={})
    moment = datetime.fromisoformat(at)
    run.events[:] = [event._replace(recorded_at=moment) for event in run.events]
    return run


def place(moment: datetime, zone: str, form: str) -> str:
    return moment.astimezone(ZoneInfo(zone)).strftime(form)


def start(one: dict[str, Any], zone: str, form: str) -> str:
    return place(datetime.fromisoformat(one["start"]), zone, form)


async def test_days_and_months_of_any_zone_are_sums_of_what_happened_in_them(api: Api) -> None:
    draw = random.Random(5)
    moments = [
        datetime.fromisoformat(f"{draw.choice(CHANGES)}:00+00:00")
        + timedelta(minutes=draw.randrange(-2880, 2880))
        for _ in range(40)
    ]
    other = used(OTHER, provider="openai")
    await api.happened(
        *(
            a_run(api.tenant_id, at.isoformat(), has_ended=n % 5 > 0, **(other if n % 2 else {}))
            for n, at in enumerate(moments)
        )
    )
    period = {"from": "2026-03-07T03:07:00Z", "to": "2026-11-02T15:04:00Z"}
    span = [datetime.fromisoformat(period[name]) for name in ("from", "to")]
    for zone in ZONES:
        for each, form in (("DAY", "%Y-%m-%d"), ("MONTH", "%Y-%m")):
            happened = Counter(
                (place(at, zone, form), OTHER if n % 2 else ECHO)
                for n, at in enumerate(moments)
                if span[0] <= at < span[1]
            )
            asked = {**period, "each": each, "zone": zone}
            told = Counter[tuple[str, str]]()
            for one in await usage(api, **asked, by=["MODEL"]):
                told[start(one, zone, form), one["group"][0]["value"]] += one["calls"]
            assert +told == happened, asked
            if each == "MONTH":
                continue
            # By meter, sums come from other rows.
            told.clear()
            for one in await usage(api, **asked, by=["MODEL", "METER"]):
                told[start(one, zone, form), one["group"][0]["value"]] += one["calls"]
            assert +told == happened, asked
            ran = Counter[str]()
            for one in (await api.read(GROUPED, **asked, by=["STATUS"]))["executionStats"]:
                ran[start(one, zone, form)] += one["total"]
                assert sum(status["count"] for status in one["byStatus"]) == one["total"]
            assert +ran == Counter(day for day, _ in happened.elements()), asked
