"""Where the people of a tenant may sign in: configured, changed, removed. Whoever configures one
decides what its people may do, so nobody gives more than they hold.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit
from uuid import UUID

from commands.authorization import require_grantable, require_grants_held
from commands.credentials import issue_api_key
from commands.decisions import SECRET, Command, Decided, Tenancy
from commands.directory_port import StoredDirectoryToken
from commands.directory_roles import roles_as_configured
from commands.login_port import EndedSessionsOf
from commands.memberships import role_grants
from commands.oauth_port import CLIENT_SECRET, RemovedClientSecret, StoredClientSecret
from commands.sessions import sessions_of_provider
from domain.errors import FieldError, Invalid
from domain.feature_flags import EXTERNAL_LOGINS, SCIM
from domain.identifiers import Json, JsonObject
from domain.identity_providers import (
    IdentityProvider,
    IdentityProviderNotFound,
    Kind,
    NoDirectory,
    identity_provider_id,
)

DIRECTORY_SCOPE = "scim"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}")


@dataclass(frozen=True, slots=True)
class PutIdentityProvider(Command):
    """client_secret: may be left out when the provider has one for this client already.
    group_roles: of the groups that the provider names, which role each gives.
    """

    requires: ClassVar[str] = "identity_providers:write"
    feature: ClassVar[str | None] = EXTERNAL_LOGINS

    name: str
    kind: Kind
    client_id: str
    default_role: str
    issuer: str | None = None
    client_secret: str | None = field(default=None, repr=False, metadata=SECRET)
    allowed_domains: Sequence[str] = ()
    group_roles: Mapping[str, str] = field(default_factory=dict[str, str])
    is_directory: bool = False


@dataclass(frozen=True, slots=True)
class IssueDirectoryToken(Command):
    """An API key that may provision users and groups for this provider (SCIM), and nothing else."""

    requires: ClassVar[str] = "identity_providers:write"
    feature: ClassVar[str | None] = SCIM

    name: str


@dataclass(frozen=True, slots=True)
class RemoveIdentityProvider(Command):
    requires: ClassVar[str] = "identity_providers:write"

    name: str


async def put_identity_provider(command: PutIdentityProvider, on: Tenancy) -> Decided:
    _require_well_formed(command)
    await _require_roles(command, on)
    stream_id = identity_provider_id(on.tenant_id, command.name)
    provider = await on.ports.events.load(IdentityProvider, stream_id, on.tenant_id)
    if provider is None:
        provider = on.begin(IdentityProvider, stream_id, name=command.name)
    is_known = provider.is_same_client(command.kind, command.issuer, command.client_id)
    if command.client_secret is None and not is_known:
        # Kept, it would be sent to whomever the new configuration names.
        reason = "a new client, or one at another issuer, needs its secret"
        raise Invalid(errors=[FieldError("/client_secret", "missing_field", reason)])
    before = dict(provider.group_roles)
    provider.configure(
        kind=command.kind,
        issuer=command.issuer,
        client_id=command.client_id,
        allowed_domains=sorted({domain.lower() for domain in command.allowed_domains}),
        default_role=command.default_role,
        group_roles=dict[str, Json](command.group_roles),
        is_directory=command.is_directory,
    )
    roles = await roles_as_configured(on, provider, await _remapped(before, command, on))
    changed = (provider, *roles.aggregates)
    side_rows = [*roles.side_rows]
    if command.client_secret is not None:
        provider.replace_secret()
        sealed = await on.sealing.seal(
            on.tenant_id, CLIENT_SECRET, command.client_secret.encode(), str(provider.id)
        )
        side_rows.append(StoredClientSecret(provider.id, sealed))
    result: JsonObject = {**_present(provider), "roles_changed": roles.users_count}
    return Decided(result, aggregates=changed, side_rows=side_rows)


async def remove_identity_provider(command: RemoveIdentityProvider, on: Tenancy) -> Decided:
    """All sessions that were begun there end; the log tells of the newest
    SESSIONS_OF_PROVIDER_MAX.
    """
    provider = await on.load(IdentityProvider, _id_of(on, command.name), IdentityProviderNotFound)
    provider.remove()
    ended = await sessions_of_provider(on, provider.id)
    return Decided(
        {**_present(provider), "is_removed": True, "ended_count": len(ended)},
        aggregates=(provider, *ended),
        side_rows=(RemovedClientSecret(provider.id), EndedSessionsOf(provider.id)),
    )


async def issue_directory_token(command: IssueDirectoryToken, on: Tenancy) -> Decided:
    """It acts for nobody, so that it outlives who made it. Raises NoDirectory."""
    require_grantable(on.caller, [DIRECTORY_SCOPE])
    provider = await configured_provider(on, _id_of(on, command.name))
    if not provider.is_directory:
        raise NoDirectory
    on.keep(provider)
    issued = issue_api_key(
        on, name=f"SCIM of {provider.name}", scopes=[DIRECTORY_SCOPE], user_id=None
    )
    return Decided(
        result={
            "name": provider.name,
            "api_key_id": str(issued.api_key.id),
            "prefix": issued.api_key.prefix,
            "key_shown": False,
        },
        aggregates=(issued.api_key,),
        side_rows=(issued.stored, StoredDirectoryToken(issued.api_key.id, provider.id)),
        shown_once={"api_key": issued.secret_text, "key_shown": True},
    )


async def configured_provider(on: Tenancy, provider_id: UUID) -> IdentityProvider:
    """One that people may sign in at. Raises IdentityProviderNotFound."""
    provider = await on.load(IdentityProvider, provider_id, IdentityProviderNotFound)
    if provider.is_removed:
        raise IdentityProviderNotFound
    return provider


async def _remapped(
    before: Mapping[str, object], command: PutIdentityProvider, on: Tenancy
) -> set[str]:
    """The groups that give another role than before. Raises ScopeNotHeld: nobody takes a role from
    others that holds more than they do.
    """
    names = before.keys() | command.group_roles.keys()
    changed = {name for name in names if before.get(name) != command.group_roles.get(name)}
    for name in changed & before.keys():
        # A role that is gone lets nobody do anything.
        with suppress(Invalid):
            require_grants_held(on.caller, await role_grants(on, str(before[name])))
    return changed


def _id_of(on: Tenancy, name: str) -> UUID:
    return identity_provider_id(on.tenant_id, name)


def _present(provider: IdentityProvider) -> JsonObject:
    return {
        "name": provider.name,
        "kind": provider.kind,
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "allowed_domains": list[Json](provider.allowed_domains),
        "default_role": provider.default_role,
        "group_roles": provider.group_roles,
        "scim": provider.is_directory,
        "version": provider.version,
    }


def _require_well_formed(command: PutIdentityProvider) -> None:
    """Raises Invalid."""
    mistakes: list[FieldError] = []
    if not _NAME.fullmatch(command.name):
        reason = "lower-case letters, digits and hyphens are expected, 63 at most"
        mistakes.append(FieldError("path:name", "invalid_name", reason))
    if command.kind == "oidc":
        mistakes.extend(_issuer_mistakes(command.issuer))
    elif command.issuer is not None:
        reason = f"the issuer of a provider of kind {command.kind} is known"
        mistakes.append(FieldError("/issuer", "unexpected_field", reason))
    mistakes.extend(
        FieldError(f"/allowed_domains/{place}", "invalid_domain", "a domain name is expected")
        for place, domain in enumerate(command.allowed_domains)
        if not _DOMAIN.fullmatch(domain.lower())
    )
    if mistakes:
        raise Invalid(errors=mistakes)


def _issuer_mistakes(issuer: str | None) -> list[FieldError]:
    if issuer is None:
        reason = "a provider of kind oidc needs its issuer"
        return [FieldError("/issuer", "missing_field", reason)]
    try:
        parts = urlsplit(issuer)
        is_url = bool(parts.hostname) and parts.scheme in {"https", "http"} and parts.port != 0
        is_plain = not (parts.query or parts.fragment or parts.username or parts.password)
    except ValueError:
        is_url = is_plain = False
    if is_url and is_plain and issuer.isascii() and issuer.isprintable() and " " not in issuer:
        return []
    reason = "an https:// URL without query, fragment and user is expected"
    return [FieldError("/issuer", "invalid_url", reason)]


async def _require_roles(command: PutIdentityProvider, on: Tenancy) -> None:
    """Raises Invalid, ScopeNotHeld."""
    named = {"/default_role": command.default_role}
    for group, role in command.group_roles.items():
        named[f"/group_roles/{group.replace('~', '~0').replace('/', '~1')}"] = role
    for path, role in named.items():
        try:
            require_grants_held(on.caller, await role_grants(on, role))
        except Invalid as error:
            mistakes = [FieldError(path, one.code, one.message) for one in error.errors]
            raise Invalid(errors=mistakes) from None
