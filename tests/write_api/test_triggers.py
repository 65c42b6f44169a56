"""POST /workflows/{id}/triggers, PATCH and DELETE /triggers/{id}, /pause and /resume."""

import pytest

from domain.identifiers import JsonObject
from tests.write_api.api import Api, problem
from tests.write_api.bodies import WORKFLOW
from tests.write_api.triggers import WORKING_DAYS, a_trigger


async def test_a_trigger_is_made_and_tells_its_next_times(api: Api) -> None:
    made = await a_trigger(api)
    assert made["is_paused"] is False
    assert "webhook_path" not in made
    # Noon of a Saturday.
    times = made["next_times"]
    assert isinstance(times, list)
    assert times[:2] == ["2026-11-23T08:00:00+00:00", "2026-11-24T08:00:00+00:00"]
    created = api.store.states[-1]
    assert created["schedule"] == WORKING_DAYS
    assert created["policy"] == {
        "overlap": "skip",
        "catch_up_window_s": 3600,
        "catch_up_fires_max": 1,
        "pause_after_failures": None,
    }


async def test_instants_are_stored_in_utc(api: Api) -> None:
    schedule = {"every_s": 60, "start_at": "2026-12-01T01:00:00+01:00"}
    made = await a_trigger(api, schedule=schedule)
    assert isinstance(made["next_times"], list)
    assert made["next_times"][0] == "2026-12-01T00:00:00+00:00"


async def test_it_is_changed_paused_resumed_and_deleted(api: Api) -> None:
    made = await a_trigger(api)
    path = f"/triggers/{made['trigger_id']}"
    changes = {"schedule": {"every_s": 3600}, "policy": {"overlap": "allow_all"}, "version": 1}
    changed = await api.send("PATCH", path, changes, headers={"If-Match": '"1"'})
    assert changed.status_code == 200, changed.text
    assert changed.headers["ETag"] == '"2"'
    assert api.store.states[-1]["workflow_version"] == 1
    stale = await api.send("PATCH", path, {"name": "b"}, headers={"If-Match": '"1"'})
    problem(stale, 412, "stale")
    paused = await api.send("POST", f"{path}/pause", {"note": "holidays"})
    assert paused.json()["data"]["is_paused"] is True
    resumed = await api.send("POST", f"{path}/resume")
    assert resumed.json()["data"]["is_paused"] is False
    deleted = await api.send("DELETE", path)
    assert deleted.json()["data"] == {"trigger_id": made["trigger_id"], "is_deleted": True}
    problem(await api.send("DELETE", path), 404, "not_found")


@pytest.mark.parametrize(
    ("changes", "place", "code"),
    [
        ({"schedule": {"cron": "61 * * * *"}}, "/schedule/cron", "invalid_cron"),
        ({"schedule": {"every_s": 1}}, "/schedule/every_s", "greater_than_equal"),
        ({"schedule": {"every_s": True}}, "/schedule/every_s", "int_type"),
        ({"schedule": {"every_s": 60, "at": 1}}, "/schedule/at", "unknown_field"),
        (
            {"schedule": {"cron": "* * * * *", "time_zone": "Mars"}},
            "/schedule/time_zone",
            "unknown_time_zone",
        ),
        (
            {"schedule": {"every_s": 60, "end_at": "soon"}},
            "/schedule/end_at",
            "datetime_from_date_parsing",
        ),
        ({"policy": {"overlap": "sometimes"}}, "/policy/overlap", "literal_error"),
        (
            {"policy": {"catch_up_window_s": 5}},
            "/policy/catch_up_window_s",
            "greater_than_equal",
        ),
        (
            {"policy": {"pause_after_failures": 0}},
            "/policy/pause_after_failures",
            "greater_than_equal",
        ),
        ({"webhook": {}}, "", "schedule_or_webhook"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_wrong_is_named(api: Api, changes: JsonObject, place: str, code: str) -> None:
    workflow = await api.created("/workflows", WORKFLOW)
    body = {"name": "a", "schedule": WORKING_DAYS, **changes}
    response = await api.send("POST", f"/workflows/{workflow['workflow_id']}/triggers", body)
    assert problem(response, 422, "invalid") == [(place, code)]


async def test_a_workflow_that_is_not_there_has_no_triggers(api: Api) -> None:
    path = f"/workflows/{api.world.ids.new()}/triggers"
    body = {"name": "a", "schedule": WORKING_DAYS}
    problem(await api.send("POST", path, body), 404, "not_found")
