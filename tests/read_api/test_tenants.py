"""The caller's own tenant."""

from domain.tenants import Tenant
from tests.projections.histories import a_tenant, the_tenant
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

QUERY = "{ tenant { id name createdAt payloadDays } }"


async def test_the_tenant_is_the_one_of_the_credential(api: Api) -> None:
    await api.happened(the_tenant(a_tenant()), the_tenant(api.tenant_id))
    for query in (QUERY, by_resolvers(QUERY)):
        assert (await api.read(query))["tenant"] == {
            "id": str(api.tenant_id),
            "name": "Ada & Co",
            "createdAt": "2026-01-01T00:00:01+00:00",
            "payloadDays": None,
        }


async def test_the_retention_that_was_set_last_is_told(api: Api) -> None:
    tenant = the_tenant(api.tenant_id)
    for payload_days in (30, 7):
        tenant.happens(Tenant.RetentionChanged, payload_days=payload_days)
    await api.happened(tenant)
    assert (await api.read("{ tenant { payloadDays } }"))["tenant"] == {"payloadDays": 7}


async def test_a_tenant_that_is_not_in_the_read_model_yet_is_a_clear_error(api: Api) -> None:
    assert await api.refused(QUERY) == "not_found"
