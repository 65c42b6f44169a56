"""GET /blobs/{sha256}."""

import pytest

from domain.identifiers import TenantId
from tests.write_api.api import OPERATOR_KEY, Api, problem

SHA256 = "ab" * 32
CONTENT = b'{"a": [1, "large"]}'


def hold(api: Api, tenant_id: TenantId) -> None:
    api.blobs.contents[tenant_id, bytes.fromhex(SHA256)] = CONTENT


async def test_a_payload_comes_as_it_was_given(api: Api) -> None:
    hold(api, api.world.tenant_id)
    response = await api.send("GET", f"/blobs/{SHA256}")
    assert (response.status_code, response.content) == (200, CONTENT)
    assert response.headers["content-type"] == "application/json"


async def test_another_tenants_payload_is_not_there(api: Api) -> None:
    hold(api, TenantId(api.world.ids.new()))
    problem(await api.send("GET", f"/blobs/{SHA256}"), 404, "not_found")


@pytest.mark.parametrize("sha256", ["ab", SHA256.upper(), "zz" * 32])
async def test_what_is_no_hash_is_not_found(api: Api, sha256: str) -> None:
    problem(await api.send("GET", f"/blobs/{sha256}"), 404, "not_found")


async def test_it_needs_the_scope_read_and_a_tenant(api: Api) -> None:
    hold(api, api.world.tenant_id)
    narrow = api.allow("narrow", api.world.caller_with("agents:write"))
    response = await api.send("GET", f"/blobs/{SHA256}", headers={"Authorization": narrow})
    problem(response, 403, "forbidden")
    operator = await api.client.get(f"blobs/{SHA256}", headers={"X-Operator-Key": OPERATOR_KEY})
    assert operator.status_code == 404
