"""What a tenant asks of its people when they log in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from commands.decisions import Command, Decided, Tenancy
from commands.memberships import role_grants
from domain.errors import FieldError, Invalid
from domain.identifiers import Json, JsonObject
from domain.login_rules import LoginRules, login_rules_id


@dataclass(frozen=True, slots=True)
class SetLoginRules(Command):
    """Counts for logins and refreshes from now on; API keys are no logins."""

    requires: ClassVar[str] = "tenant:write"

    require_mfa: bool
    mfa_roles: Sequence[str] = ()
    trust_identity_providers: bool = False


async def set_login_rules(command: SetLoginRules, on: Tenancy) -> Decided:
    """Raises Invalid for a role that the tenant does not have."""
    for place, role in enumerate(command.mfa_roles):
        await _require_role(on, role, f"/mfa_roles/{place}")
    stream_id = login_rules_id(on.tenant_id)
    rules = await on.ports.events.load(LoginRules, stream_id, on.tenant_id)
    rules = rules or on.begin(LoginRules, stream_id)
    rules.change(
        requires_second_factor=command.require_mfa,
        second_factor_roles=command.mfa_roles,
        trusts_providers=command.trust_identity_providers,
    )
    return Decided(told_rules(rules), aggregates=(rules,))


def told_rules(rules: LoginRules | None) -> JsonObject:
    """As the API names them; None: nobody has changed any."""
    if rules is None:
        return {"require_mfa": False, "mfa_roles": [], "trust_identity_providers": False}
    return {
        "require_mfa": rules.requires_second_factor,
        "mfa_roles": list[Json](rules.second_factor_roles),
        "trust_identity_providers": rules.trusts_providers,
    }


async def _require_role(on: Tenancy, role: str, path: str) -> None:
    try:
        await role_grants(on, role)
    except Invalid as error:
        mistakes = [FieldError(path, one.code, one.message) for one in error.errors]
        raise Invalid(errors=mistakes) from None
