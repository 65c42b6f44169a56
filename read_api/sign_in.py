"""GET /api/v1/auth/oauth/{tenant_id}/providers: where the people of a tenant sign in, for a page
that asks them.

Anybody may ask who knows the tenant's id. Of a tenant that is not there the answer is that of one
without providers.
"""

from http import HTTPStatus
from typing import LiteralString

import orjson
from starlette.requests import Request
from starlette.responses import Response

from infra.authentication import DomainError
from infra.event_log import TenantId
from read_api.connections import uuid_or_none
from read_api.dependencies import ReadDependencies
from read_api.edge import origin_of, problem_of

PROVIDERS_MAX = 50
# fmt: off
PROVIDERS: LiteralString = (
    "SELECT json_agg(json_build_object('name', ip.name, 'kind', ip.kind) ORDER BY ip.name)"
    " FROM (SELECT * FROM identity_providers_v1 WHERE removed_at IS NULL"
    "  ORDER BY name LIMIT ($1->>'max')::integer) AS ip"
)
# fmt: on


class SignInProviders:
    def __init__(self, dependencies: ReadDependencies) -> None:
        self._dependencies = dependencies

    async def respond(self, request: Request) -> Response:
        request_id = self._dependencies.request_id_of(request.scope)
        try:
            address = origin_of(self._dependencies, request).source.address
            await self._dependencies.count_stranger(request.scope, address)
            providers = await self._providers(request.path_params["tenant_id"])
        except DomainError as error:
            return problem_of(error, request_id)
        answer = {"data": {"providers": providers}, "meta": {"request_id": str(request_id)}}
        return Response(orjson.dumps(answer), HTTPStatus.OK, media_type="application/json")

    async def _providers(self, tenant_id: str) -> list[dict[str, str]]:
        known = uuid_or_none(tenant_id)
        if known is None:
            return []
        found = await self._dependencies.database.tenant_json(
            TenantId(known), PROVIDERS, {"max": PROVIDERS_MAX}
        )
        return [] if found is None else orjson.loads(found)
