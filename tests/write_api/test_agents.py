"""POST /agents, PATCH and DELETE /agents/{id}, PUT .../limits, POST .../execute."""

import pytest

from tests.write_api.api import Api, problem
from tests.write_api.bodies import AGENT


async def test_an_agent_is_created_with_its_defaults(api: Api) -> None:
    response = await api.send("POST", "/agents", AGENT)
    assert response.status_code == 201
    document = response.json()
    assert set(document) == {"data", "meta"}
    assert set(document["meta"]) == {"position", "request_id"}
    assert document["meta"]["position"].startswith("1-1-")
    assert response.headers["ETag"] == '"1"'
    assert api.store.states[0]["profile"] == {**AGENT, "role": None, "tools": [], "parameters": {}}


async def test_a_patch_changes_only_what_it_names(api: Api) -> None:
    agent = await api.created("/agents", {**AGENT, "role": "writes"})
    response = await api.send("PATCH", f"/agents/{agent['agent_id']}", {"role": None})
    assert response.status_code == 200
    assert response.json()["data"] == {**agent, "agent_version": 2, "version": 2}
    profile = api.store.states[1]["profile"]
    assert isinstance(profile, dict)
    assert (profile["role"], profile["name"]) == (None, "Writer")


async def test_a_patch_cannot_take_away_what_an_agent_must_have(api: Api) -> None:
    agent = await api.created("/agents", AGENT)
    body = {"name": None, "model": 5, "tools": None, "id": "x"}
    response = await api.send("PATCH", f"/agents/{agent['agent_id']}", body)
    assert set(problem(response, 422, "invalid")) == {
        ("/name", "string_type"),
        ("/model", "string_type"),
        ("/tools", "list_type"),
        ("/id", "unknown_field"),
    }
    assert api.store.topics == ["agent.created"]


async def test_if_match_lets_only_the_newest_version_be_changed(api: Api) -> None:
    agent = await api.created("/agents", AGENT)
    path = f"/agents/{agent['agent_id']}"
    first = await api.send("PATCH", path, {"name": "Poet"}, headers={"If-Match": '"1"'})
    assert first.headers["ETag"] == '"2"'
    late = await api.send("PATCH", path, {"name": "Critic"}, headers={"If-Match": '"1"'})
    problem(late, 412, "stale")
    problem(await api.send("DELETE", path, headers={"If-Match": '"1"'}), 412, "stale")
    any_version = await api.send("DELETE", path, headers={"If-Match": "*"})
    assert any_version.json()["data"] == {"agent_id": agent["agent_id"], "is_deleted": True}


async def test_a_malformed_if_match_is_not_taken_for_agreement(api: Api) -> None:
    agent = await api.created("/agents", AGENT)
    for value in ("1", 'W/"1"', '"one"', '"1", "2"', ""):
        response = await api.send(
            "DELETE", f"/agents/{agent['agent_id']}", headers={"If-Match": value}
        )
        assert problem(response, 422, "invalid") == [("header:If-Match", "invalid_header")]
    assert api.store.topics == ["agent.created"]


async def test_an_agent_is_run(api: Api) -> None:
    agent = await api.created("/agents", AGENT)
    response = await api.send("POST", f"/agents/{agent['agent_id']}/execute", {"input": "Why?"})
    assert response.status_code == 202
    data = response.json()["data"]
    assert set(data) == {"execution_id", "status"}
    assert api.store.topics == ["agent.created", "execution.created"]


async def test_an_agent_is_run_to_its_end(api: Api) -> None:
    agent = await api.created("/agents", AGENT)
    api.waiter.ended = {"status": "COMPLETED", "output": {"text": "Because."}, "error": None}
    response = await api.send(
        "POST", f"/agents/{agent['agent_id']}/execute?wait_s=1.5", {"input": "Why?"}
    )
    assert response.status_code == 200
    assert response.json()["data"]["output"] == {"text": "Because."}
    assert api.waiter.asked == [(api.world.tenant_id, 1.5)]


async def test_an_agent_is_limited(api: Api) -> None:
    agent_id = (await api.created("/agents", AGENT))["agent_id"]
    body = {"concurrent_calls": 4, "cost_usd_per_min": "0.5"}
    response = await api.send("PUT", f"/agents/{agent_id}/limits", body)
    assert response.status_code == 200, response.text
    assert response.json()["data"]["limits"] == {**body, "tokens_per_min": None}
    response = await api.send("PUT", f"/agents/{agent_id}/limits", {})
    assert set(response.json()["data"]["limits"].values()) == {None}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"concurrent_calls": 0}, "/concurrent_calls"),
        ({"concurrent_calls": True}, "/concurrent_calls"),
        ({"tokens_per_min": 1.5}, "/tokens_per_min"),
        ({"tokens_per_min": 10**11}, "/tokens_per_min"),
        ({"cost_usd_per_min": "0"}, "/cost_usd_per_min"),
        ({"cost_usd_per_min": "0.0000000000001"}, "/cost_usd_per_min"),
        ({"calls": 4}, "/calls"),
    ],
)
async def test_a_limit_that_is_none_is_refused(api: Api, body: object, place: str) -> None:
    agent_id = (await api.created("/agents", AGENT))["agent_id"]
    response = await api.send("PUT", f"/agents/{agent_id}/limits", body)
    assert [path for path, _ in problem(response, 422, "invalid")] == [place]
