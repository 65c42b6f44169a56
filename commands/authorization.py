"""Who is calling, and what they may do. Enforced once, by commands/dispatch.py; the edges only find
out who is calling.

A credential (API key or session) becomes a Caller; from then on only its scopes count. A scope
reaches everything of the tenant, or only what is one's own: what one made, and what is shared with
one or public. ROLE_CELLS is the permission table.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple
from uuid import UUID

from domain.errors import FieldError, Forbidden, Invalid, NotFound
from domain.identifiers import TenantId

EVERY_SCOPE = "*"
SCOPES_MAX = 32
OWN_SUFFIX = ":own"

Reach = Literal["all", "own"]

# What a credential of a tenant may hold. `*` holds all of these, also the ones added later.
TENANT_SCOPES: Mapping[str, str] = {
    "read": "read everything of the tenant",
    "api_keys:write": "create and revoke API keys, with at most one's own scopes",
    "agents:write": "create, revise and delete agents",
    "agents:execute": "run one agent",
    "workflows:write": "create, revise and delete workflows",
    "workflows:execute": "run workflows, also by triggers",
    "executions:write": (
        "cancel, pause, resume, retry, compensate, resolve, fork and upgrade executions"
    ),
    "executions:signal": "send signals to executions",
    "providers:write": "say through whose providers models are called, and test them",
    "secrets:write": "keep and remove secrets, which nobody can read",
    "retention:write": "say how long payloads are kept",
    "data_subjects:erase": "erase one person, for good",
    "users:write": "invite, change and deactivate people, with at most one's own permissions",
    "roles:write": "make roles, with at most one's own permissions",
    "tenant:write": "change the settings of the tenant",
    "tenant:export": "export everything of the tenant",
    "tenant:offboard": "leave the platform, and change one's mind about it",
    "approvals:decide": "decide the approvals that executions wait for",
    "identity_providers:write": "say where people may sign in, and what they get by it",
    "scim": "bring users and groups as the directory of an identity provider",
    "external_identities:write": "link identities at providers to oneself, and remove them",
    "account:write": "end sessions, and change one's own password and second factor",
    "audit:read": "read and export the audit trail",
    "feature_overrides:write": "switch features on and off, where their flags let tenants",
    "usage:write": "send usage that the tenant counts itself",
    "billing:write": "say to whom invoices are addressed",
    "budgets:write": "say how much may be spent",
    "payments:write": "pay, and say what is paid with",
}

# What the operator of the platform holds; no credential of a tenant can.
OPERATOR_SCOPES: Mapping[str, str] = {
    "read": "read what belongs to no tenant",
    "tenants:create": "create tenants",
    "tenants:manage": "list, suspend and resume tenants, and say which plan they are on",
    "tenants:offboard": "offboard tenants",
    "feature_flags:write": "say what is switched on, for whom",
    "usage:resolve": "say what attempts used of which nobody knew",
    "plans:write": "make, revise and archive plans",
    "subscriptions:write": "say which plan a tenant pays for",
    "payments:refund": "give payments back",
    "credits:write": "give tenants credits, and withdraw them",
    "prices:write": "publish prices, for everybody or for one tenant",
    "templates:write": "offer workflows to every tenant as a starting point",
    "billing:write": "say who issues invoices: the operator's own name and address",
    "invoices:write": (
        "set terms and taxes of tenants; finalise, void and credit invoices, and record payments"
    ),
    "resellers:write": "say how many tenants a reseller may have",
    "audit:read": "read what strangers and the operator did",
}

# What only the platform itself holds, for somebody who has no credential yet, or for nobody. No `*`
# holds them, and nobody can be given them.
PLATFORM_SCOPES: Mapping[str, str] = {
    "external_identities:sign_in": "say who somebody is that a provider vouches for",
    "payments:settle": "say what became of payments, as the provider does",
    "deadlines:meet": "record what has come by time",
    "triggers:meet": "begin the runs for which it is time, on behalf of who made the trigger",
}

# What the operator lets resellers do; their role names each, and no `*` holds them.
RESELLER_SCOPES: Mapping[str, str] = {
    "tenants:create": "create tenants, within the quota that the operator gave",
    "tenants:manage": "list, suspend and resume the tenants that one has created, and say"
    " which plan they are on",
    "invoices:write": "set terms and taxes of the tenants that one has created, and what is done"
    " with their invoices",
    "subscriptions:write": "say which plan the tenants pay for that one has created",
    "credits:write": "give credits to the tenants that one has created, and withdraw them",
    "licences:write": "issue, renew and revoke licences for customers of one's own",
    "licences:activate": "take and release seats of licences",
}

# Role by role, for each scope: how far it reaches, and nothing for those that are not named. An
# ADMIN holds `*`. A scope that is missing here fails tests/commands/test_authorization.py.
ROLE_CELLS: Mapping[str, Mapping[str, Reach]] = {
    "read": {"USER": "own", "VIEWER": "own", "RESELLER": "own"},
    "api_keys:write": {"USER": "own", "RESELLER": "own"},
    "agents:write": {"USER": "own", "RESELLER": "own"},
    "agents:execute": {"USER": "own", "RESELLER": "own"},
    "workflows:write": {"USER": "own", "RESELLER": "own"},
    "workflows:execute": {"USER": "own", "RESELLER": "own"},
    "executions:write": {"USER": "own", "RESELLER": "own"},
    "executions:signal": {"USER": "own", "RESELLER": "own"},
    "retention:write": {},
    "users:write": {},
    "data_subjects:erase": {},
    "roles:write": {},
    "tenant:write": {},
    "tenant:offboard": {},
    "tenant:export": {},
    "audit:read": {},
    "feature_overrides:write": {},
    "usage:write": {},
    "billing:write": {},
    "budgets:write": {},
    "payments:write": {},
    "providers:write": {"USER": "own", "RESELLER": "own"},
    "secrets:write": {"USER": "own", "RESELLER": "own"},
    "approvals:decide": {"USER": "own", "RESELLER": "own"},
    "identity_providers:write": {},
    "scim": {},
    "external_identities:write": {"USER": "own", "VIEWER": "own", "RESELLER": "own"},
    "account:write": {"USER": "own", "VIEWER": "own", "RESELLER": "own"},
    "tenants:create": {"RESELLER": "own"},
    "tenants:manage": {"RESELLER": "own"},
    "invoices:write": {"RESELLER": "own"},
    "subscriptions:write": {"RESELLER": "own"},
    "credits:write": {"RESELLER": "own"},
    "licences:write": {"RESELLER": "own"},
    "licences:activate": {"RESELLER": "own"},
}

# About nothing but the account of who uses them; every role has them.
PERSONAL_SCOPES = frozenset({"account:write", "external_identities:write"})

# What a custom role is made of: a scope, or a scope that reaches only what is one's own. A scope
# that no role holds for its own alone has nothing that could be somebody's own.
PERMISSIONS: Mapping[str, str] = {
    **TENANT_SCOPES,
    **{
        f"{scope}{OWN_SUFFIX}": f"{meaning}: one's own, and what is shared with one or public"
        for scope, meaning in TENANT_SCOPES.items()
        if "own" in ROLE_CELLS.get(scope, {}).values()
    },
}


class MissingScope(Forbidden):
    """The credential does not have the scope that this needs."""


class ScopeNotHeld(Forbidden):
    """A credential cannot pass on a scope that it does not hold itself."""


class Whose(NamedTuple):
    """Whose credential was refused: in the data of a refusal as `whose`, with `reason`, for the
    audit trail of that tenant and for no answer.
    """

    tenant_id: TenantId
    actor: str


@dataclass(frozen=True, slots=True)
class Grants:
    """own_only: those of the scopes that reach only what is one's own."""

    scopes: frozenset[str] = frozenset()
    own_only: frozenset[str] = frozenset()


NO_GRANTS = Grants()
NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Caller:
    """actor: what the envelope of events names. user_id: the person behind the credential, where
    there is one.

    tenant_id: None only for the operator, who holds all OPERATOR_SCOPES and no other.

    own_only: those of the scopes that reach only what is this person's own.

    session_id: of the login that the credential belongs to; None for keys.
    """

    actor: str
    tenant_id: TenantId | None
    scopes: frozenset[str]
    user_id: UUID | None = None
    is_operator: bool = False
    own_only: frozenset[str] = frozenset()
    session_id: UUID | None = None

    @property
    def grants(self) -> Grants:
        return Grants(self.scopes, self.own_only)

    @property
    def reads_as(self) -> UUID | None:
        """Whose rows reads show (infra/migrations/0024_own_rows.sql); None: the whole tenant's."""
        if "read" not in self.own_only:
            return None
        return self.user_id or NOBODY


def require(caller: Caller, scope: str) -> None:
    """Raises MissingScope."""
    if not holds(caller, scope):
        raise MissingScope(f"This needs the scope {scope}.", scope=scope)


def reaches(caller: Caller, scope: str, owner_id: UUID | str | None) -> bool:
    """Whether somebody who holds the scope may use it on what this person owns; None owns what was
    made before there were owners, or by nobody in particular.
    """
    if scope not in caller.own_only:
        return True
    return caller.user_id is not None and str(owner_id) == str(caller.user_id)


def reaches_everything(grants: Grants, scope: str) -> bool:
    """Whether somebody with these grants may use the scope, of a tenant, whoever owns what."""
    return bool(grants.scopes & {scope, EVERY_SCOPE}) and scope not in grants.own_only


def require_own(
    caller: Caller, scope: str, owner_id: UUID | str | None, missing: type[NotFound]
) -> None:
    """What is out of reach looks like what is not there. Raises `missing`."""
    if not reaches(caller, scope, owner_id):
        raise missing


def require_grantable(caller: Caller, scopes: Sequence[str]) -> None:
    """A new credential may hold these: all of them exist, and the caller holds each. Raises
    Invalid, ScopeNotHeld.
    """
    unknown = [
        FieldError(f"/scopes/{place}", "unknown_scope", f"there is no scope {scope}")
        for place, scope in enumerate(scopes)
        if scope not in TENANT_SCOPES and scope not in RESELLER_SCOPES and scope != EVERY_SCOPE
    ]
    if unknown:
        raise Invalid(errors=unknown)
    for scope in scopes:
        if not holds(caller, scope):
            raise ScopeNotHeld(f"The scope {scope} cannot be passed on without holding it.")


def require_grants_held(caller: Caller, grants: Grants) -> None:
    """Nobody lets others do, or do further, what they cannot do themselves; what concerns only
    oneself is everybody's. Raises ScopeNotHeld.
    """
    for scope in sorted(grants.scopes - (PERSONAL_SCOPES & grants.own_only)):
        is_further = scope in caller.own_only and scope not in grants.own_only
        if is_further or not holds(caller, scope):
            raise ScopeNotHeld(f"The scope {scope} cannot be passed on without holding it.")


def holds(caller: Caller, scope: str) -> bool:
    if caller.is_operator:
        return scope in OPERATOR_SCOPES
    if scope in RESELLER_SCOPES or scope in PLATFORM_SCOPES:
        return scope in caller.scopes
    if EVERY_SCOPE in caller.scopes:
        return scope in TENANT_SCOPES or scope == EVERY_SCOPE
    return scope in caller.scopes and scope in TENANT_SCOPES


def grants_of(permissions: Iterable[str]) -> Grants:
    """permissions: of PERMISSIONS, or `*`. What is named with and without `:own` reaches all."""
    named = set(permissions)
    own = {one.removesuffix(OWN_SUFFIX) for one in named if one.endswith(OWN_SUFFIX)}
    everywhere = {one for one in named if not one.endswith(OWN_SUFFIX)}
    return Grants(frozenset(own | everywhere), frozenset(own - everywhere))


def _grants_of_role(role: str) -> Grants:
    cells = {scope: cells[role] for scope, cells in ROLE_CELLS.items() if role in cells}
    own = frozenset(scope for scope, reach in cells.items() if reach == "own")
    return Grants(frozenset(cells), own)


# The roles that every tenant has; see domain/identity.py. A role of a tenant's own making is named
# by its id.
ROLE_GRANTS: Mapping[str, Grants] = {
    "ADMIN": Grants(frozenset({EVERY_SCOPE})),
    "USER": _grants_of_role("USER"),
    "VIEWER": _grants_of_role("VIEWER"),
    "RESELLER": _grants_of_role("RESELLER"),
}


def narrowed(grants: Grants, scopes: Iterable[str]) -> Grants:
    """What a credential with these scopes may do for somebody with these grants."""
    asked = frozenset(scopes)
    if EVERY_SCOPE in grants.scopes:
        kept = asked - RESELLER_SCOPES.keys()
    elif EVERY_SCOPE in asked:
        kept = grants.scopes - (RESELLER_SCOPES.keys() - asked)
    else:
        kept = asked & grants.scopes
    return Grants(kept, grants.own_only & kept)
