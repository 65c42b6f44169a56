"""Who is calling, and what they may do. Enforced once, by commands/dispatch.py; the edges only find
out who is calling.

A credential (API key, later a session) becomes a Caller; from then on only its scopes count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.errors import FieldError, Forbidden, Invalid
from domain.identifiers import TenantId

EVERY_SCOPE = "*"
SCOPES_MAX = 32

# What a credential of a tenant may hold. `*` holds all of these, also the ones added later.
TENANT_SCOPES: Mapping[str, str] = {
    "read": "read everything of the tenant",
    "api_keys:write": "create and revoke API keys, with at most one's own scopes",
    "agents:write": "create, revise and delete agents",
    "agents:execute": "run one agent",
    "workflows:write": "create, revise and delete workflows",
    "workflows:execute": "run workflows",
    "executions:write": (
        "cancel, pause, resume, retry, compensate, resolve, fork and upgrade executions"
    ),
    "executions:signal": "send signals to executions",
    "providers:write": "say through whose providers models are called, and test them",
    "secrets:write": "keep and remove secrets, which nobody can read",
    "retention:write": "say how long payloads are kept",
    "approvals:decide": "decide the approvals that executions wait for",
    "audit:read": "read and export the audit trail",
}

# What the operator of the platform holds; no credential of a tenant can.
OPERATOR_SCOPES: Mapping[str, str] = {
    "read": "read what belongs to no tenant",
    "tenants:create": "create tenants",
    "audit:read": "read what strangers and the operator did",
}


class MissingScope(Forbidden):
    """The credential does not have the scope that this needs."""


class ScopeNotHeld(Forbidden):
    """A credential cannot pass on a scope that it does not hold itself."""


@dataclass(frozen=True, slots=True)
class Caller:
    """actor: what the envelope of events names. user_id: the person behind the credential, where
    there is one.

    tenant_id: None only for the operator, who holds all OPERATOR_SCOPES and no other.
    """

    actor: str
    tenant_id: TenantId | None
    scopes: frozenset[str]
    user_id: UUID | None = None
    is_operator: bool = False


def require(caller: Caller, scope: str) -> None:
    """Raises MissingScope."""
    if not _holds(caller, scope):
        raise MissingScope(f"This needs the scope {scope}.", scope=scope)


def require_grantable(caller: Caller, scopes: Sequence[str]) -> None:
    """A new credential may hold these: all of them exist, and the caller holds each. Raises
    Invalid, ScopeNotHeld.
    """
    unknown = [
        FieldError(f"/scopes/{place}", "unknown_scope", f"there is no scope {scope}")
        for place, scope in enumerate(scopes)
        if scope not in TENANT_SCOPES and scope != EVERY_SCOPE
    ]
    if unknown:
        raise Invalid(errors=unknown)
    for scope in scopes:
        if not _holds(caller, scope):
            raise ScopeNotHeld(f"The scope {scope} cannot be passed on without holding it.")


def _holds(caller: Caller, scope: str) -> bool:
    if caller.is_operator:
        return scope in OPERATOR_SCOPES
    if EVERY_SCOPE in caller.scopes:
        return scope in TENANT_SCOPES or scope == EVERY_SCOPE
    return scope in caller.scopes and scope in TENANT_SCOPES
