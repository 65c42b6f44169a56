"""POST /executions/{id}/signals/{name}."""

from tests.commands.steps import a_chain, an_llm
from tests.write_api.api import Api, problem
from tests.write_api.runs import begun

CHAIN = a_chain(an_llm("a"))


async def test_a_signal_is_sent_with_and_without_a_payload(api: Api) -> None:
    path = f"/executions/{await begun(api, CHAIN)}/signals/paid-1.0"
    for body in (None, {}, {"payload": {"invoice": 17}}):
        response = await api.send("POST", path, body)
        assert response.status_code == 200, response.text
    assert (api.store.states[-1]["name"], api.store.states[-1]["payload"]) == (
        "paid-1.0",
        {"invoice": 17},
    )
    assert [state["payload"] for state in api.store.states[-3:-1]] == [None, None]


async def test_sending_again_under_one_key_is_one_signal(api: Api) -> None:
    path = f"/executions/{await begun(api, CHAIN)}/signals/paid"
    headers = {"Idempotency-Key": "once"}
    first = await api.send("POST", path, {"payload": 1}, headers=headers)
    again = await api.send("POST", path, {"payload": 1}, headers=headers)
    assert again.json()["data"] == first.json()["data"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert api.store.topics.count("execution.signalled") == 1


async def test_a_name_with_other_characters_is_refused(api: Api) -> None:
    execution_id = await begun(api, CHAIN)
    for name in ("a%20b", "x" * 65, "%C3%A4"):
        response = await api.send("POST", f"/executions/{execution_id}/signals/{name}", {})
        assert problem(response, 422, "invalid") == [("path:name", "invalid_name")]
