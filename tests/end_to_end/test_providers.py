"""An agent whose model is called through a provider of the tenant's own, with a key that is found
in nothing that the installation keeps.
"""

from typing import Any

from tests.end_to_end.stack import Api, Stack, new_tenant, operator_key_of
from tests.end_to_end.test_secrets import places_of
from tests.openai_server import error, openai_server

TENANTS_KEY, OWN_KEY = "sk-canary-5b1e77aa01", "sk-canary-own-c44d09"
LISTED = "{ providers { edges { node { name scope kind hasKey lastUsedAt } } } }"


async def answered(api: Api, model: str) -> dict[str, Any]:
    agent = await api.post("/agents", {"name": "A", "model": model, "instructions": "Be brief."})
    begun = await api.post(f"/agents/{agent['agent_id']}/execute", {"input": "Hi"})
    return await api.execution_at_end(begun["execution_id"])


async def test_a_tenants_provider_answers_and_its_key_is_nowhere(
    api: Api, one_process: Stack
) -> None:
    async with openai_server(one_process.reachable_port) as server:
        body = {"kind": "openai_compatible", "api_base": server.api_base, "api_key": TENANTS_KEY}
        await api.put("/providers/ours", body)
        tested = await api.post("/providers/ours/test", {"model": "llama-4"})
        execution = await answered(api, "ours/llama-4")
        own = await api.put("/providers/ours", {**body, "api_key": OWN_KEY, "scope": "user"})
        of_mine = await answered(api, "ours/llama-4")
        keys = [request.headers["Authorization"] for request in server.requests]
        server.answers(error(401, code="invalid_api_key"))
        refused = await api.post("/providers/ours/test", {"model": "llama-4"})
    assert (tested["ok"], own["scope"]) == (True, "user")
    assert (execution["status"], of_mine["status"]) == ("COMPLETED", "COMPLETED")
    assert keys == [f"Bearer {TENANTS_KEY}", f"Bearer {TENANTS_KEY}", f"Bearer {OWN_KEY}"]
    assert execution["output"]["text"] == "Hello there!"
    assert (refused["ok"], refused["code"]) == (False, "unauthorized")
    listed = [edge["node"] for edge in (await api.query(LISTED))["providers"]["edges"]]
    assert sorted(node["scope"] for node in listed) == ["tenant", "user"]
    assert all(node["hasKey"] and node["lastUsedAt"] for node in listed)
    for key in (TENANTS_KEY, OWN_KEY):
        assert places_of(key, one_process.directory) == []
    one_process.verify()


async def test_another_tenant_cannot_use_it(api: Api, one_process: Stack) -> None:
    other = Api(one_process.url, new_tenant(one_process.url, operator_key_of(one_process), "B"))
    try:
        async with openai_server(one_process.reachable_port) as server:
            body = {"kind": "openai_compatible", "api_base": server.api_base}
            await api.put("/providers/ours", {**body, "api_key": TENANTS_KEY})
            execution = await answered(other, "ours/llama-4")
            requests = list(server.requests)
        listed = await other.query(LISTED)
    finally:
        await other.http.aclose()
    assert execution["error"]["code"] == "unknown_model"
    assert (requests, listed["providers"]["edges"]) == ([], [])


async def test_an_address_inside_is_not_reached(api: Api) -> None:
    inside = "http://169.254.169.254/v1"
    body = {"kind": "openai_compatible", "api_base": inside, "api_key": TENANTS_KEY}
    await api.put("/providers/inside", body)
    tested = await api.post("/providers/inside/test", {"model": "m"})
    assert (tested["ok"], tested["code"]) == (False, "invalid")
    assert TENANTS_KEY not in str(tested)
