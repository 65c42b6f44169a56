"""Days and months of time zones are put together from days of UTC and quarters of an hour."""

import random
from collections import Counter
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.read_api.api import Api
from tests.read_api.test_usage import a_call, usage, used

# With days of 23, 24.5 and 25 hours; one whose clocks change at midnight; and quarters.
ZONES = ["Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Tokyo"]
CHANGES = ["2026-03-08T05:00", "2026-03-29T01:00", "2026-04-04T15:00", "2026-11-01T04:00"]


async def test_days_and_months_of_any_zone_are_sums_of_what_happened_in_them(api: Api) -> None:
    draw = random.Random(5)
    moments = [
        datetime.fromisoformat(f"{draw.choice(CHANGES)}:00+00:00")
        + timedelta(minutes=draw.randrange(-2880, 2880))
        for _ in range(40)
    ]
    other = used("openai/gpt-4o", provider="openai")
    await api.happened(
        *(
            a_call(api.tenant_id, at.isoformat(), **(other if n % 2 else {}))
            for n, at in enumerate(moments)
        )
    )
    asked = {"from": "2026-03-07T03:07:00Z", "to": "2026-11-02T15:04:00Z", "by": ["MODEL"]}
    span = [datetime.fromisoformat(asked[name]) for name in ("from", "to")]
    for zone in ZONES:
        for each, form in (("DAY", "%Y-%m-%d"), ("MONTH", "%Y-%m")):
            told = Counter[tuple[str, str]]()
            for one in await usage(api, **asked, each=each, zone=zone):
                start = datetime.fromisoformat(one["start"]).astimezone(ZoneInfo(zone))
                told[start.strftime(form), one["group"][0]["value"]] += one["calls"]
            happened = Counter(
                (
                    at.astimezone(ZoneInfo(zone)).strftime(form),
                    "openai/gpt-4o" if n % 2 else "offline/echo",
                )
                for n, at in enumerate(moments)
                if span[0] <= at < span[1]
            )
            assert +told == happened, (zone, each)
