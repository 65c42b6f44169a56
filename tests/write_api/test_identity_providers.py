"""PUT and DELETE /identity-providers/{name}, POST /identity-providers/{name}/scim-token."""

from typing import Any

import pytest

from tests.write_api.api import Api, problem

PROVIDER: dict[str, Any] = {
    "kind": "oidc",
    "issuer": "https://login.acme.example",
    "client_id": "ledger",
    "client_secret": "hush hush",
    "allowed_domains": ["acme.example"],
    "default_role": "USER",
    "group_roles": {"platform": "ADMIN"},
    "scim": True,
}
PATH = "/identity-providers/acme"


async def test_a_provider_is_configured_without_telling_its_secret(api: Api) -> None:
    response = await api.send("PUT", PATH, PROVIDER)
    assert response.status_code == 200
    told = {key: value for key, value in PROVIDER.items() if key != "client_secret"}
    assert response.json()["data"] == {"name": "acme", **told, "version": 3, "roles_changed": 0}
    assert "hush" not in response.text
    removed = await api.send("DELETE", PATH)
    assert removed.json()["data"]["is_removed"] is True
    problem(await api.send("DELETE", PATH), 404, "not_found")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"kind": "saml"}, "/kind"),
        ({"client_id": ""}, "/client_id"),
        ({"client_id": "a\r\nb"}, "/client_id"),
        ({"default_role": 5}, "/default_role"),
        ({"allowed_domains": ["a.example"] * 101}, "/allowed_domains"),
        ({"group_roles": {"": "USER"}}, "/group_roles//[key]"),
        ({"scim": "yes"}, "/scim"),
        ({"admin": True}, "/admin"),
    ],
)
async def test_a_mistake_is_named_by_its_place(
    api: Api, change: dict[str, object], path: str
) -> None:
    response = await api.send("PUT", PATH, {**PROVIDER, **change})
    assert problem(response, 422, "invalid")[0][0] == path
    assert api.store.events == []


@pytest.mark.parametrize("name", ["Acme", "a%2Fb", "a" * 64, "-a", "%00"])
async def test_a_name_that_cannot_be_one_is_refused(api: Api, name: str) -> None:
    response = await api.send("PUT", f"/identity-providers/{name}", PROVIDER)
    assert response.status_code in {404, 422}
    assert api.store.events == []


async def test_a_token_of_a_directory_is_shown_once(api: Api) -> None:
    await api.send("PUT", PATH, PROVIDER)
    headers = {"Idempotency-Key": "k"}
    first = await api.send("POST", f"{PATH}/scim-token", headers=headers)
    again = await api.send("POST", f"{PATH}/scim-token", headers=headers)
    assert first.json()["data"]["api_key"].startswith("al_")
    assert "api_key" not in again.json()["data"]


async def test_who_may_not_give_a_role_configures_no_provider_that_gives_it(api: Api) -> None:
    deputy = api.allow("deputy", api.world.caller_with("identity_providers:write", "read"))
    response = await api.send("PUT", PATH, PROVIDER, headers={"Authorization": deputy})
    problem(response, 403, "forbidden")
    token = await api.send("POST", f"{PATH}/scim-token", headers={"Authorization": deputy})
    problem(token, 403, "forbidden")
