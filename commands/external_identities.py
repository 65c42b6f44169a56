"""Who somebody is that signed in at an identity provider.

    (issuer, subject) is known ──► that person
    unknown ─┬─ an address that the provider vouches for, in a domain that the tenant lets in
             │     ├─ nobody has it ──► a new person, with the provider's default role
             │     ├─ somebody was invited with it, or provisioned ──► that person
             │     └─ somebody signs in with it already ──► refused: they link it themselves
             └─ otherwise ──► refused

An address never gives an account that somebody uses. So whoever gets an address later, or has a
provider say that it is theirs, gets nothing by it; and linking is what a person who is signed in
does for themselves.
"""

import re
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy
from commands.directory_roles import role_of_groups
from commands.identity_providers import configured_provider
from commands.memberships import Membership, begin_user, membership_of
from commands.oauth_port import LoginRefused, Profile
from domain.administrators import LastAdministrator
from domain.directory_users import DirectoryUser, directory_user_id
from domain.external_identities import (
    ExternalIdentity,
    ExternalIdentityNotFound,
    external_identity_id,
)
from domain.feature_flags import EXTERNAL_LOGINS
from domain.identity import User, UserNotFound
from domain.identity_providers import IdentityProvider

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class SignInExternally(Command):
    """provider_id: where the browser was sent. Only the edge that verified the profile sends it."""

    requires: ClassVar[str] = "external_identities:sign_in"
    feature: ClassVar[str | None] = EXTERNAL_LOGINS

    provider_id: UUID
    profile: Profile


@dataclass(frozen=True, slots=True)
class LinkExternalIdentity(Command):
    """user_id: who was signed in here when the browser was sent there."""

    requires: ClassVar[str] = "external_identities:sign_in"
    feature: ClassVar[str | None] = EXTERNAL_LOGINS

    provider_id: UUID
    profile: Profile
    user_id: UUID


@dataclass(frozen=True, slots=True)
class RemoveExternalIdentity(Command):
    requires: ClassVar[str] = "external_identities:write"

    identity_id: UUID


async def sign_in_externally(command: SignInExternally, on: Tenancy) -> Decided:
    """Raises LoginRefused."""
    provider = await configured_provider(on, command.provider_id)
    identity = await _identity(on, command.profile)
    if identity is None or identity.is_removed:
        return await _first_sign_in(on, provider, command.profile, identity)
    user = await on.load(User, UUID(identity.user_id), UserNotFound)
    if not user.is_active:
        raise LoginRefused("the person is not active")
    on.keep(identity)
    if not identity.follows_groups:
        on.keep(user)
        return Decided({"user_id": str(user.id)}, aggregates=())
    return await _following_groups(on, provider, command.profile, user)


async def link_external_identity(command: LinkExternalIdentity, on: Tenancy) -> Decided:
    """Raises LoginRefused, IdentityTaken."""
    provider = await configured_provider(on, command.provider_id)
    user = await on.load(User, command.user_id, UserNotFound)
    if not user.is_active:
        raise LoginRefused("the person is not active")
    on.keep(user)
    identity = await _identity(on, command.profile)
    if identity is None:
        identity = _begin_identity(on, provider, command.profile, user, follows_groups=False)
    else:
        identity.link(provider.name, user.id)
    result = {"user_id": str(user.id), "external_identity_id": str(identity.id)}
    return Decided({**result}, aggregates=(identity,))


async def remove_external_identity(command: RemoveExternalIdentity, on: Tenancy) -> Decided:
    identity = await on.load(ExternalIdentity, command.identity_id, ExternalIdentityNotFound)
    if str(on.caller.user_id) != identity.user_id:
        raise ExternalIdentityNotFound
    identity.remove()
    result = {"external_identity_id": str(identity.id), "is_removed": True}
    return Decided({**result}, aggregates=(identity,))


async def _first_sign_in(
    on: Tenancy,
    provider: IdentityProvider,
    profile: Profile,
    identity: ExternalIdentity | None,
) -> Decided:
    email = _vouched_for(provider, profile)
    user_id = await on.users.find_by_email(on.tenant_id, on.users.email_hash(email))
    if user_id is None:
        role = role_of_groups(provider, profile.groups)
        user = await begin_user(on, email=email, role=role)
        membership = await membership_of(on, user)
    else:
        membership = await _expected(on, provider, user_id)
    user = membership.user
    if identity is None:
        identity = _begin_identity(on, provider, profile, user, follows_groups=user_id is None)
    else:
        identity.link(provider.name, user.id)
    return Decided(
        {"user_id": str(user.id)},
        aggregates=(*membership.aggregates, identity),
        side_rows=membership.side_rows,
    )


def _vouched_for(provider: IdentityProvider, profile: Profile) -> str:
    """The address, if the tenant lets it in. Raises LoginRefused."""
    if profile.email is None or not profile.is_email_verified:
        raise LoginRefused("there is no verified address")
    domain = profile.email.rpartition("@")[2]
    if _EMAIL.fullmatch(profile.email) is None:
        raise LoginRefused("the address cannot be one")
    if domain not in provider.allowed_domains:
        raise LoginRefused("the address is in no domain that the provider may let in")
    # An account at Google may have any address that was once verified; only this claim says that
    # the organisation of the domain has the account.
    if provider.kind == "google" and profile.domain != domain:
        raise LoginRefused("the account is not one of the organisation")
    return profile.email


async def _expected(on: Tenancy, provider: IdentityProvider, user_id: UUID) -> Membership:
    """Somebody who was told of but has never been here. Raises LoginRefused for others."""
    user = await on.load(User, user_id, UserNotFound)
    entry_id = directory_user_id(user_id)
    entry = await on.ports.events.load(DirectoryUser, entry_id, on.tenant_id)
    if entry is not None and user.is_active and entry.awaits(provider.id):
        entry.claim()
        return Membership(user, (entry,), ())
    # GitHub says that an address was verified once, not that who has it belongs there today.
    if user.status != "INVITED" or provider.kind == "github":
        raise LoginRefused("the address belongs to somebody who has to link this account first")
    user.accept(on.ports.clock.now())
    return await membership_of(on, user)


async def _following_groups(
    on: Tenancy, provider: IdentityProvider, profile: Profile, user: User
) -> Decided:
    if provider.group_roles:
        user.give_role(role_of_groups(provider, profile.groups))
    if not user.pending_events:
        on.keep(user)
        return Decided({"user_id": str(user.id)}, aggregates=())
    try:
        membership = await membership_of(on, user)
    except LastAdministrator:
        # A provider that forgot its groups must not lock the tenant out.
        return Decided({"user_id": str(user.id)}, aggregates=())
    return Decided(
        {"user_id": str(user.id)},
        aggregates=membership.aggregates,
        side_rows=membership.side_rows,
    )


async def _identity(on: Tenancy, profile: Profile) -> ExternalIdentity | None:
    stream_id = external_identity_id(on.tenant_id, profile.issuer, profile.subject)
    return await on.ports.events.load(ExternalIdentity, stream_id, on.tenant_id)


def _begin_identity(
    on: Tenancy,
    provider: IdentityProvider,
    profile: Profile,
    user: User,
    *,
    follows_groups: bool,
) -> ExternalIdentity:
    return on.begin(
        ExternalIdentity,
        external_identity_id(on.tenant_id, profile.issuer, profile.subject),
        issuer=profile.issuer,
        provider=provider.name,
        user_id=str(user.id),
        follows_groups=follows_groups,
    )
