"""What is switched on for whom: the rows that say so beside the log, and what commands ask.
Adapter: infra/tenant_features.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias
from uuid import UUID

from domain.feature_flags import BUILT_IN, FlagText, Override, Reason, decided
from domain.identifiers import TenantId


@dataclass(frozen=True, slots=True)
class StoredFlag:
    name: str
    text: FlagText


@dataclass(frozen=True, slots=True)
class RemovedFlag:
    name: str


@dataclass(frozen=True, slots=True)
class StoredOverride:
    """is_enabled: None takes it away."""

    name: str
    override: Override
    is_enabled: bool | None


FeatureRow: TypeAlias = StoredFlag | RemovedFlag | StoredOverride


def _built_in() -> dict[str, FlagText]:
    return {name: FlagText(description) for name, description in BUILT_IN.items()}


@dataclass(frozen=True, slots=True)
class TenantFeatures:
    """What decides for one tenant. texts: of every flag, by name, those of the platform among
    them.
    """

    tenant_id: TenantId
    texts: Mapping[str, FlagText] = field(default_factory=_built_in)
    overrides: Mapping[str, Mapping[Override, bool]] = field(
        default_factory=dict[str, Mapping[Override, bool]]
    )

    def decided(self, name: str, user_id: UUID | None) -> tuple[bool, Reason]:
        """Raises KeyError for a flag that there is not."""
        overrides = self.overrides.get(name, {})
        return decided(name, self.texts[name], overrides, tenant_id=self.tenant_id, user_id=user_id)

    def is_on(self, name: str, user_id: UUID | None) -> bool:
        return self.decided(name, user_id)[0]


class Features(Protocol):
    async def of(self, tenant_id: TenantId) -> TenantFeatures:
        """As of a few seconds ago; at once where the log tells of a change. Raises Unavailable."""
        ...


class EverythingOn:
    """Implements Features, for tools of the operator."""

    async def of(self, tenant_id: TenantId) -> TenantFeatures:
        return TenantFeatures(tenant_id)
