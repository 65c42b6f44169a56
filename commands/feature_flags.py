"""Feature flags: defined by the operator, and overridden for a tenant or a person, by the operator
or, where the flag lets them, by administrators.
"""

import re
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy
from commands.feature_port import RemovedFlag, StoredFlag, StoredOverride
from domain.errors import FieldError, Invalid
from domain.feature_flags import (
    NAME_PATTERN,
    FeatureFlag,
    FeatureFlagNotFound,
    FlagText,
    NotForTenants,
    Override,
    flag_id,
)
from domain.identifiers import PLATFORM, JsonObject, TenantId
from domain.identity import User, UserNotFound
from domain.tenants import Tenant, TenantNotFound


@dataclass(frozen=True, slots=True)
class DefineFlag(Command):
    requires: ClassVar[str] = "feature_flags:write"

    name: str
    text: FlagText

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return PLATFORM


async def define_flag(command: DefineFlag, on: Tenancy) -> Decided:
    _require_name(command.name)
    flag = await on.ports.events.load(FeatureFlag, flag_id(command.name), PLATFORM)
    if flag is None:
        flag = on.begin(FeatureFlag, flag_id(command.name), name=command.name)
    flag.define(command.text)
    result: JsonObject = {"name": flag.name, **command.text.told(), "version": flag.version}
    row = StoredFlag(flag.name, command.text)
    return Decided(result, aggregates=(flag,), side_rows=(row,))


@dataclass(frozen=True, slots=True)
class RemoveFlag(Command):
    requires: ClassVar[str] = "feature_flags:write"

    name: str

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return PLATFORM


async def remove_flag(command: RemoveFlag, on: Tenancy) -> Decided:
    """What overrides it stays, and counts again once it is defined again."""
    _require_name(command.name)
    flag = await on.load(FeatureFlag, flag_id(command.name), FeatureFlagNotFound)
    flag.remove()
    result: JsonObject = {"name": flag.name, "is_removed": True}
    return Decided(result, aggregates=(flag,), side_rows=(RemovedFlag(flag.name),))


@dataclass(frozen=True, slots=True)
class OverrideFlag(Command):
    """By the operator. user_id: None is the whole tenant. is_enabled: None takes it away."""

    requires: ClassVar[str] = "feature_flags:write"

    tenant_id: UUID
    name: str
    is_enabled: bool | None
    user_id: UUID | None = None

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def override_flag(command: OverrideFlag, on: Tenancy) -> Decided:
    return await _overridden(command, on, is_by_operator=True)


@dataclass(frozen=True, slots=True)
class OverrideOwnFlag(Command):
    """By an administrator of the tenant."""

    requires: ClassVar[str] = "feature_overrides:write"

    name: str
    is_enabled: bool | None
    user_id: UUID | None = None


async def override_own_flag(command: OverrideOwnFlag, on: Tenancy) -> Decided:
    return await _overridden(command, on, is_by_operator=False)


async def _overridden(
    command: OverrideFlag | OverrideOwnFlag, on: Tenancy, *, is_by_operator: bool
) -> Decided:
    _require_name(command.name)
    tenant = await on.load(Tenant, on.tenant_id, TenantNotFound)
    text = (await on.ports.features.of(on.tenant_id)).texts.get(command.name)
    if text is None:
        raise FeatureFlagNotFound(name=command.name)
    if not (is_by_operator or text.is_for_tenants):
        raise NotForTenants(name=command.name)
    if command.user_id is not None:
        on.keep(await on.load(User, command.user_id, UserNotFound))
    user_id = None if command.user_id is None else str(command.user_id)
    tenant.override_feature(
        command.name, user_id, is_enabled=command.is_enabled, is_by_operator=is_by_operator
    )
    result: JsonObject = {
        "tenant_id": str(tenant.id),
        "name": command.name,
        "user_id": user_id,
        "is_enabled": command.is_enabled,
    }
    override = Override(command.user_id, is_by_operator)
    row = StoredOverride(command.name, override, command.is_enabled)
    return Decided(result, aggregates=(tenant,), side_rows=(row,))


def _require_name(name: str) -> None:
    if not re.fullmatch(NAME_PATTERN, name):
        reason = f"a name like {NAME_PATTERN} is expected"
        raise Invalid(errors=[FieldError("path:name", "invalid_name", reason)])
