"""GET /node-types."""

from jsonschema import Draft202012Validator

from domain.nodes.catalogue import NODE_TYPES
from tests.write_api.api import OPERATOR_KEY, Api, problem
from tests.write_api.bodies import WORKFLOW


async def test_every_node_type_is_listed_with_a_schema_and_a_description(api: Api) -> None:
    response = await api.send("GET", "/node-types")
    assert response.status_code == 200
    document = response.json()
    assert [shown["type"] for shown in document["data"]] == sorted(NODE_TYPES)
    for shown in document["data"]:
        assert shown["description"]
        Draft202012Validator.check_schema(shown["config_schema"])
    assert (document["meta"]["position"], document["page"]) == (None, {"next_cursor": None})


async def test_an_accepted_config_keeps_to_the_schema_that_is_shown(api: Api) -> None:
    shown = (await api.send("GET", "/node-types")).json()["data"]
    (schema,) = [each["config_schema"] for each in shown if each["type"] == "llm"]
    await api.created("/workflows", WORKFLOW)
    Draft202012Validator(schema).validate({"model": "offline/echo", "prompt": "Hello"})
    assert list(Draft202012Validator(schema).iter_errors({"model": 5, "prompt": "Hello"}))


async def test_the_operator_may_look_too_but_not_a_key_without_the_scope(api: Api) -> None:
    operator = await api.client.get("node-types", headers={"X-Operator-Key": OPERATOR_KEY})
    assert operator.status_code == 200
    narrow = api.allow("narrow", api.world.caller_with("agents:write"))
    response = await api.send("GET", "/node-types", headers={"Authorization": narrow})
    problem(response, 403, "forbidden")
