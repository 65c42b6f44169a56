"""Roles of the tenant's own making, and what they can be made of."""

from commands.authorization import PERMISSIONS
from domain.roles import Role
from tests.projections.histories import a_role, a_tenant
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

QUERY = "{ roles { edges { node { id name permissions createdAt } } } }"


async def test_roles_are_those_of_ones_own_tenant_that_are_there(api: Api) -> None:
    role, deleted = a_role(api.tenant_id), a_role(api.tenant_id).happens(Role.Deleted)
    await api.happened(role, deleted, a_role(a_tenant()))
    for query in (QUERY, by_resolvers(QUERY)):
        edges = (await api.read(query))["roles"]["edges"]
        assert [edge["node"] for edge in edges] == [
            {
                "id": str(role.stream_id),
                "name": "Auditor",
                "permissions": ["read"],
                "createdAt": "2026-01-01T00:00:01+00:00",
            }
        ]


async def test_every_permission_is_told_with_its_meaning(api: Api) -> None:
    told = (await api.read("{ permissions { name meaning } }"))["permissions"]
    assert {each["name"]: each["meaning"] for each in told} == PERMISSIONS
