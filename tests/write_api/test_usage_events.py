"""POST /usage-events."""

from typing import Any

import pytest

from tests.write_api.api import Api, problem

UNSUPPORTED = "unsupported_media_type"
EVENT = {"specversion": "1.0", "id": "1", "source": "/reports", "type": "pages_printed"}


async def test_one_event_or_a_batch_is_accepted_and_told_apart_from_what_is_known(
    api: Api,
) -> None:
    one = await api.send("POST", "/usage-events", EVENT)
    batch = await api.send("POST", "/usage-events", [EVENT, {**EVENT, "id": "2"}])  # type: ignore[arg-type] # a list
    assert (one.status_code, batch.status_code) == (200, 200)
    assert one.json()["data"] == {"accepted": 1, "duplicates": 0}
    assert batch.json()["data"] == {"accepted": 1, "duplicates": 1}


@pytest.mark.parametrize("kind", ["cloudevents+json", "cloudevents-batch+json; charset=utf-8"])
async def test_events_are_taken_as_those_who_send_cloudevents_call_them(
    api: Api, kind: str
) -> None:
    headers = {"Content-Type": f"application/{kind}"}
    sent = await api.send("POST", "/usage-events", [EVENT], headers=headers)  # type: ignore[arg-type] # a list
    assert sent.json()["data"] == {"accepted": 1, "duplicates": 0}
    # Nothing else is: a body that says it is an event is none of these.
    problem(await api.send("POST", "/budgets", EVENT, headers=headers), 415, UNSUPPORTED)


async def test_another_event_under_the_same_id_is_a_conflict(api: Api) -> None:
    await api.send("POST", "/usage-events", EVENT)
    other = {**EVENT, "data": {"quantity": 2}}
    problem(await api.send("POST", "/usage-events", other), 409, "usage_event_conflict")


async def test_attributes_that_nobody_asked_for_are_not_looked_at(api: Api) -> None:
    response = await api.send("POST", "/usage-events", {**EVENT, "traceparent": "00-1-2-01"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("mistake", "path"),
    [
        ({"specversion": "0.3"}, "/0/specversion"),
        ({"type": "Pages"}, "/0/type"),
        ({"type": "requests"}, "/0/type"),
        ({"id": ""}, "/0/id"),
        ({"time": "yesterday"}, "/0/time"),
        ({"data": {"quantity": -1}}, "/0/data/quantity"),
        ({"data": {"quantity": 1.5}}, "/0/data/quantity"),
        ({"data": {"tokens": 3}}, "/0/data/tokens"),
    ],
)
async def test_a_mistake_is_named_with_its_place(
    api: Api, mistake: dict[str, Any], path: str
) -> None:
    response = await api.send("POST", "/usage-events", {**EVENT, **mistake})
    assert [place for place, _ in problem(response, 422, "invalid")] == [path]
    assert api.store.events == []
