"""A directory that speaks SCIM to the API."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import orjson

from domain.identity import User
from tests.commands.test_external_identities import Company
from tests.commands.test_identity_providers import ACME
from tests.write_api.api import Api

USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ADA: dict[str, Any] = {
    "schemas": [USER_SCHEMA, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
    "userName": "ada",
    "externalId": "00u1",
    "name": {"givenName": "Ada", "familyName": "Lovelace"},
    "emails": [
        {"value": "ada@home.example"},
        {"value": "Ada@Acme.example", "type": "work", "primary": True},
    ],
    "active": True,
    "title": "Countess",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Engines"},
}


class Directory:
    """With a token of the provider `acme`."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.token = ""

    async def open(self, name: str = "acme") -> "Directory":
        await self.company.somebody("root@acme.example", "ADMIN")
        await self.api.world.when(replace(ACME, name=name, is_directory=True))
        path = f"/identity-providers/{name}/scim-token"
        response = await self.api.send("POST", path)
        assert response.status_code == 201, response.text
        self.token = response.json()["data"]["api_key"]
        return self

    @property
    def company(self) -> Company:
        company = Company(self.api.store)
        company.__dict__.update(self.api.world.__dict__)
        return company

    async def send(
        self, method: str, path: str, body: object = None, *, token: str | None = None
    ) -> httpx.Response:
        headers = {
            "Authorization": f"Bearer {token or self.token}",
            "Content-Type": "application/scim+json",
        }
        content = None if body is None else orjson.dumps(body)
        url = f"http://ledger/scim/v2{path}"
        return await self.api.client.request(method, url, headers=headers, content=content)

    async def created(self, path: str, body: object) -> dict[str, Any]:
        response = await self.send("POST", path, body)
        assert response.status_code == 201, response.text
        return response.json()

    async def group(self, name: str, *member_ids: str) -> dict[str, Any]:
        return await self.created("/Groups", a_group(name, *member_ids))

    async def patched(self, path: str, *operations: dict[str, Any]) -> dict[str, Any]:
        response = await self.send("PATCH", path, a_patch(*operations))
        assert response.status_code == 200, response.text
        return response.json()

    async def person(self, user_id: str) -> User:
        found = await self.api.store.load(User, UUID(user_id), self.api.world.tenant_id)
        assert found is not None
        return found


def a_user(name: str) -> dict[str, Any]:
    return {
        "schemas": [USER_SCHEMA],
        "userName": name,
        "emails": [{"value": f"{name}@acme.example"}],
    }


def a_group(name: str, *member_ids: str) -> dict[str, Any]:
    members = [{"value": member_id} for member_id in member_ids]
    return {"schemas": [GROUP_SCHEMA], "displayName": name, "members": members}


def a_patch(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [PATCH_SCHEMA], "Operations": list(operations)}


def scim_error(response: httpx.Response, status: int, scim_type: str | None = None) -> str:
    """Checks SCIM's own form of an error; its detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/scim+json"
    document = response.json()
    assert document["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert (document["status"], document.get("scimType")) == (str(status), scim_type), document
    return document["detail"]
