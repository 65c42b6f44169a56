"""POST, PATCH and DELETE /roles."""

from tests.write_api.api import Api, problem


async def test_a_role_is_made_changed_and_deleted(api: Api) -> None:
    made = await api.send("POST", "/roles", {"name": "Auditor", "permissions": ["read"]})
    assert made.status_code == 201
    path = f"/roles/{made.json()['data']['role_id']}"
    changed = await api.send("PATCH", path, {"permissions": ["audit:read"]})
    assert changed.json()["data"]["permissions"] == ["audit:read"]
    assert (await api.send("DELETE", path)).json()["data"]["is_deleted"] is True
    problem(await api.send("DELETE", path), 404, "not_found")
