"""POST /triggers/{id}/fire and /backfill."""

from tests.write_api.api import Api, problem
from tests.write_api.triggers import a_trigger


async def test_a_trigger_fires_now_once_for_a_key(api: Api) -> None:
    made = await a_trigger(api)
    path, headers = f"/triggers/{made['trigger_id']}/fire", {"Idempotency-Key": "once"}
    first = await api.send("POST", path, headers=headers)
    again = await api.send("POST", path, headers=headers)
    assert first.status_code == 202, first.text
    data = first.json()["data"]
    assert set(data) == {"trigger_id", "execution_id", "status"}
    assert again.json()["data"] == data
    assert api.store.topics.count("execution.created") == 1


async def test_the_runs_of_a_period_are_ordered(api: Api) -> None:
    made = await a_trigger(api)
    path = f"/triggers/{made['trigger_id']}/backfill"
    body = {"from": "2026-11-16T00:00:00+01:00", "to": "2026-11-18T09:00:00+01:00"}
    response = await api.send("POST", path, body)
    assert response.status_code == 202, response.text
    assert response.json()["data"] == {"trigger_id": made["trigger_id"], "count": 3}
    problem(await api.send("POST", path, body), 409, "backfill_under_way")


async def test_a_period_that_has_not_passed_is_refused(api: Api) -> None:
    made = await a_trigger(api)
    body = {"from": "2026-11-16T00:00:00Z", "to": "2036-11-18T00:00:00Z"}
    response = await api.send("POST", f"/triggers/{made['trigger_id']}/backfill", body)
    assert problem(response, 422, "invalid") == [("/to", "in_the_future")]


async def test_a_webhook_has_nothing_to_fire_by_hand(api: Api) -> None:
    made = await a_trigger(api, webhook={})
    path = f"/triggers/{made['trigger_id']}/fire"
    problem(await api.send("POST", path), 409, "not_scheduled")
