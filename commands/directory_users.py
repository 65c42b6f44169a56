"""Users that the directory of an identity provider provisions (SCIM). A directory sees and changes
only whom it brought; somebody who is here already does not become its user by an address.
"""

from dataclasses import dataclass, replace
from typing import ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy, require_version
from commands.directory_port import (
    RemovedDirectoryEntry,
    StoredDirectoryEntry,
)
from commands.identity_providers import configured_provider
from commands.login_port import EndedSession
from commands.memberships import EmailTaken, Membership, begin_user, membership_of
from commands.sessions import ended_sessions
from domain.directory_groups import DirectoryGroup, DirectoryGroupNotFound
from domain.directory_users import DirectoryUser, DirectoryUserNotFound, directory_user_id
from domain.errors import Forbidden, Refused
from domain.feature_flags import SCIM
from domain.identifiers import JsonObject
from domain.identity import User, UserNotFound
from domain.identity_providers import IdentityProvider

API_KEY_ACTOR = "api_key:"


class UserNameTaken(Refused):
    """There is a user of this name in this directory already."""

    code = "user_name_taken"


class NotADirectory(Forbidden):
    """This credential speaks for no directory."""


@dataclass(frozen=True, slots=True)
class DirectoryProfile:
    """attributes: all that the directory said, also what is not used here."""

    user_name: str
    external_id: str | None
    email: str
    name: str | None
    is_active: bool
    attributes: JsonObject


@dataclass(frozen=True, slots=True)
class CreateDirectoryUser(Command):
    requires: ClassVar[str] = "scim"
    feature: ClassVar[str | None] = SCIM

    profile: DirectoryProfile


@dataclass(frozen=True, slots=True)
class ReplaceDirectoryUser(Command):
    """The account keeps the address that it was made with."""

    requires: ClassVar[str] = "scim"
    feature: ClassVar[str | None] = SCIM

    user_id: UUID
    profile: DirectoryProfile
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class RemoveDirectoryUser(Command):
    """The person is deactivated. What they did stays theirs."""

    requires: ClassVar[str] = "scim"
    feature: ClassVar[str | None] = SCIM

    user_id: UUID


async def create_directory_user(command: CreateDirectoryUser, on: Tenancy) -> Decided:
    """Raises UserNameTaken, EmailTaken."""
    provider = await directory_of(on)
    profile = command.profile
    await _require_free(on, provider, profile.user_name, None)
    user_id = await on.users.find_by_email(on.tenant_id, on.users.email_hash(profile.email))
    if user_id is None:
        user = await begin_user(
            on, email=profile.email, role=provider.default_role, name=profile.name
        )
        entry = on.begin(
            DirectoryUser,
            directory_user_id(user.id),
            user_id=str(user.id),
            provider_id=str(provider.id),
            attributes=profile.attributes,
        )
    else:
        user, entry = await _removed_before(on, provider, user_id)
        user.give_role(provider.default_role)
        entry.replace(profile.attributes)
    _apply(profile, user)
    return _decided(on, provider, profile, membership=await membership_of(on, user), entry=entry)


async def replace_directory_user(command: ReplaceDirectoryUser, on: Tenancy) -> Decided:
    """Raises UserNameTaken, LastAdministrator."""
    provider = await directory_of(on)
    entry = await entry_of(on, provider, command.user_id)
    require_version(entry, command.expected_version)
    await _require_free(on, provider, command.profile.user_name, command.user_id)
    user = await on.load(User, command.user_id, UserNotFound)
    entry.replace(command.profile.attributes)
    _apply(command.profile, user)
    decided = _decided(
        on, provider, command.profile, membership=await membership_of(on, user), entry=entry
    )
    return decided if user.is_active else await _without_sessions(on, decided, user.id)


async def remove_directory_user(command: RemoveDirectoryUser, on: Tenancy) -> Decided:
    """Raises LastAdministrator."""
    provider = await directory_of(on)
    entry = await entry_of(on, provider, command.user_id)
    entry.remove()
    user = await on.load(User, command.user_id, UserNotFound)
    user.deactivate()
    membership = await membership_of(on, user)
    left = await _groups_left(on, user.id)
    decided = Decided(
        {"user_id": str(user.id), "is_removed": True},
        aggregates=(*membership.aggregates, entry, *left),
        side_rows=(*membership.side_rows, RemovedDirectoryEntry(user.id)),
    )
    return await _without_sessions(on, decided, user.id)


async def directory_of(on: Tenancy) -> IdentityProvider:
    """The provider whose directory the caller's key speaks for. Raises NotADirectory."""
    actor = on.caller.actor
    provider_id = None
    if actor.startswith(API_KEY_ACTOR):
        api_key_id = UUID(actor.removeprefix(API_KEY_ACTOR))
        provider_id = await on.directory.provider_of(on.tenant_id, api_key_id)
    if provider_id is None:
        raise NotADirectory
    provider = await configured_provider(on, provider_id)
    if not provider.is_directory:
        raise NotADirectory
    on.keep(provider)
    return provider


async def entry_of(on: Tenancy, provider: IdentityProvider, user_id: UUID) -> DirectoryUser:
    """Raises DirectoryUserNotFound."""
    entry = await on.load(DirectoryUser, directory_user_id(user_id), DirectoryUserNotFound)
    entry.require_in(provider.id)
    return entry


async def _removed_before(
    on: Tenancy, provider: IdentityProvider, user_id: UUID
) -> tuple[User, DirectoryUser]:
    """Somebody of this directory who comes back. Raises EmailTaken for anybody else."""
    entry_id = directory_user_id(user_id)
    entry = await on.ports.events.load(DirectoryUser, entry_id, on.tenant_id)
    if entry is None or not entry.is_removed or entry.provider_id != str(provider.id):
        raise EmailTaken
    return await on.load(User, user_id, UserNotFound), entry


async def _groups_left(on: Tenancy, user_id: UUID) -> list[DirectoryGroup]:
    groups = await on.directory.groups_of(on.tenant_id, [user_id])
    left: list[DirectoryGroup] = []
    for group_id in groups.get(user_id, []):
        group = await on.load(DirectoryGroup, group_id, DirectoryGroupNotFound)
        group.set_members(sorted(group.member_ids - {str(user_id)}))
        left.append(group)
    return left


async def _without_sessions(on: Tenancy, decided: Decided, user_id: UUID) -> Decided:
    """Nobody who was sent away is back by an old session when they are brought again."""
    ended = await ended_sessions(on, user_id, "revoked")
    return replace(
        decided,
        aggregates=(*decided.aggregates, *ended),
        side_rows=(*decided.side_rows, *(EndedSession(session.id) for session in ended)),
    )


def _apply(profile: DirectoryProfile, user: User) -> None:
    user.rename(profile.name)
    if profile.is_active:
        user.reactivate()
    else:
        user.deactivate()


async def _require_free(
    on: Tenancy, provider: IdentityProvider, user_name: str, own: UUID | None
) -> None:
    found = await on.directory.page(on.tenant_id, provider.id, "user", name=user_name, limit=1)
    if found.entry_ids and found.entry_ids[0] != own:
        raise UserNameTaken


def _decided(
    on: Tenancy,
    provider: IdentityProvider,
    profile: DirectoryProfile,
    *,
    membership: Membership,
    entry: DirectoryUser,
) -> Decided:
    user = membership.user
    external_id = profile.external_id
    row = StoredDirectoryEntry(
        provider_id=provider.id,
        kind="user",
        entry_id=user.id,
        name_hash=on.directory.text_hash(profile.user_name),
        external_id_hash=None if external_id is None else on.directory.text_hash(external_id),
    )
    return Decided(
        {"user_id": str(user.id), "version": entry.version},
        aggregates=(*membership.aggregates, entry),
        side_rows=(*membership.side_rows, row),
    )
