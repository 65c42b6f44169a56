"""People of a tenant sign in at a real OpenID provider, and a directory brings and sends them away.
The checks of scim2-tester pass against the running installation.
"""

import asyncio
from typing import Any

import httpx

from tests.end_to_end.scim_client import violations
from tests.end_to_end.stack import Api
from tests.oidc.provider import OpenIdProvider, sign_in
from tests.plain_http import NO_AUTHORITIES, PATIENCE_S

ADA = {"email": "ada@acme.example", "email_verified": True}
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


async def configured(api: Api, issuer: str) -> str:
    """The tenant's id."""
    body = {
        "kind": "oidc",
        "issuer": issuer,
        "client_id": "ledger",
        "client_secret": "s3cret",
        "allowed_domains": ["acme.example"],
        "default_role": "VIEWER",
        "group_roles": {"makers": "USER"},
        "scim": True,
    }
    answer = await api.http.put("/api/v1/identity-providers/acme", json=body)
    assert answer.status_code == 200, answer.text
    return (await api.query("{ tenant { id } }"))["tenant"]["id"]


async def signed_in(api: Api, tenant_id: str, subject: str, claims: dict[str, Any]) -> Any:
    """As a person with a browser; the answer of the callback."""
    async with httpx.AsyncClient(
        base_url=api.url, timeout=PATIENCE_S, verify=NO_AUTHORITIES
    ) as browser:
        begun = await browser.get(f"/api/v1/auth/oauth/{tenant_id}/acme/start")
        assert begun.status_code == 302, begun.text
        cookie = begun.headers["set-cookie"].partition(";")[0]
        url = await sign_in(begun.headers["location"], subject, claims)
        assert url.startswith(f"{api.url}/api/v1/auth/oauth/callback?")
        return await browser.get(url, headers={"Cookie": cookie})


async def scim_token(api: Api) -> str:
    return (await api.post("/identity-providers/acme/scim-token", {}))["api_key"]


async def whether_lets_in(api: Api, access_token: str) -> bool:
    headers = {"Authorization": f"Bearer {access_token}"}
    async with httpx.AsyncClient(
        base_url=api.url, headers=headers, timeout=PATIENCE_S, verify=NO_AUTHORITIES
    ) as person:
        answer = await person.post("/graphql", json={"query": "{ agents { edges { cursor } } }"})
    assert answer.status_code in {200, 401}, answer.text
    return answer.status_code == 200


async def test_somebody_new_signs_in_at_the_provider_of_the_tenant(
    api: Api, openid_provider: OpenIdProvider
) -> None:
    tenant_id = await configured(api, openid_provider.issuer("story"))
    answer = await signed_in(api, tenant_id, "ada", {**ADA, "groups": ["makers"]})
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert (data["user"]["email"], data["user"]["role"]) == ("ada@acme.example", "USER")
    assert await whether_lets_in(api, data["access_token"])
    again = (await signed_in(api, tenant_id, "ada", {**ADA, "groups": []})).json()["data"]
    assert (again["user"]["id"], again["user"]["role"]) == (data["user"]["id"], "VIEWER")
    for claims in ({"nonce": "another"}, {"aud": ["another"]}, {"email_verified": False}):
        subject = "mallory"
        refused = await signed_in(api, tenant_id, subject, {**ADA, **claims})
        assert (refused.status_code, refused.json()["code"]) == (401, "login_refused")


async def test_a_tenant_asks_its_people_for_more_than_a_password_at_the_provider(
    api: Api, openid_provider: OpenIdProvider
) -> None:
    tenant_id = await configured(api, openid_provider.issuer("strict"))
    path = "/api/v1/login-rules"
    set_ = await api.http.put(path, json={"require_mfa": True})
    assert set_.status_code == 200, set_.text
    little = (await signed_in(api, tenant_id, "ada", {**ADA, "amr": ["pwd"]})).json()["data"]
    assert set(little) == {"mfa_setup_required", "mfa_token"}
    assert not await whether_lets_in(api, little["mfa_token"])
    enough = await signed_in(api, tenant_id, "ada", {**ADA, "amr": ["pwd", "mfa"]})
    session = enough.json()["data"]
    assert await whether_lets_in(api, session["access_token"])
    await signed_in(api, tenant_id, "mallory", {**ADA, "aud": ["another"]})
    removed = await api.http.delete("/api/v1/identity-providers/acme")
    assert removed.json()["data"]["ended_count"] == 1, removed.text
    assert not await whether_lets_in(api, session["access_token"])
    told = await refusals(api)
    assert ("finishLogin", "login_refused", "the ID token is not valid (its aud)") in told
    assert ("authenticate", "unauthenticated", "the session is over") in told


async def refusals(api: Api) -> set[tuple[str, str, str | None]]:
    """On the trail of the tenant; those of strangers are there after some seconds."""
    async with asyncio.timeout(60):
        while True:
            page = await api.query(
                "{ auditEntries(filter: {outcome: DENIED}, first: 50) {"
                " edges { node { action code reason } } } }"
            )
            nodes = [edge["node"] for edge in page["auditEntries"]["edges"]]
            told = {(node["action"], node["code"], node["reason"]) for node in nodes}
            if {"finishLogin", "authenticate"} <= {node["action"] for node in nodes}:
                return told
            await asyncio.sleep(0.2)


async def test_whom_the_directory_sends_away_is_out_at_once(
    api: Api, openid_provider: OpenIdProvider
) -> None:
    tenant_id = await configured(api, openid_provider.issuer("directory"))
    headers = {"Authorization": f"Bearer {await scim_token(api)}"}
    async with httpx.AsyncClient(
        base_url=f"{api.url}/scim/v2", headers=headers, timeout=PATIENCE_S, verify=NO_AUTHORITIES
    ) as directory:
        body = {"schemas": [USER], "userName": "ada", "emails": [{"value": "ada@acme.example"}]}
        user = (await directory.post("/Users", json=body)).json()
        data = (await signed_in(api, tenant_id, "ada", ADA)).json()["data"]
        assert data["user"]["id"] == user["id"]
        assert await whether_lets_in(api, data["access_token"])
        replaced = {"op": "replace", "path": "active", "value": False}
        patch = {"schemas": [PATCH], "Operations": [replaced]}
        answer = await directory.patch(f"/Users/{user['id']}", json=patch)
        assert answer.status_code == 200, answer.text
        assert not await whether_lets_in(api, data["access_token"])
        assert (await signed_in(api, tenant_id, "ada", ADA)).status_code == 401
        back = {"schemas": [PATCH], "Operations": [{**replaced, "value": True}]}
        await directory.patch(f"/Users/{user['id']}", json=back)
        assert not await whether_lets_in(api, data["access_token"])
        assert (await signed_in(api, tenant_id, "ada", ADA)).status_code == 200
    refreshed = await api.http.post(
        "/api/v1/auth/refresh", json={"refresh_token": data["refresh_token"]}
    )
    assert refreshed.status_code == 401


async def test_the_directory_conforms_to_scim(api: Api) -> None:
    await configured(api, "https://login.acme.example")
    headers = {"Authorization": f"Bearer {await scim_token(api)}"}
    base_url = f"{api.url}/scim/v2"
    with httpx.Client(
        base_url=base_url, headers=headers, timeout=30, verify=NO_AUTHORITIES
    ) as client:
        made_count, failed = violations(client)
    assert failed == []
    assert made_count > 60
