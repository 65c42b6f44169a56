"""Which provider of a tenant's own a model name leads to. Implemented by
infra/models/tenant_providers.py.
"""

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from domain.identifiers import JsonObject, TenantId


@dataclass(frozen=True, slots=True)
class ProviderAccess:
    """How a call goes there: ModelRequest's model, api_base and api_key. name: as the tenant calls
    it.
    """

    name: str
    model: str
    api_base: str | None
    api_key: str | None = field(repr=False)


class Providers(Protocol):
    async def access(
        self, tenant_id: TenantId, user_id: UUID | None, model: str
    ) -> ProviderAccess | None:
        """The person's own provider wins over the tenant's; None when neither has one of the name
        that the model begins with: then it is the platform's. Raises ModelFailed, Unavailable.
        """
        ...


class ProviderTests(Protocol):
    async def tried(
        self, tenant_id: TenantId, user_id: UUID | None, name: str, model: str
    ) -> JsonObject | None:
        """{ok, model, code, message}: how one short call went; None when there is no such provider.
        user_id: whose own comes first; None is the tenant's. Raises Unavailable.
        """
        ...
