"""Groups that the directory of an identity provider provisions (SCIM). Who is in a group that the
provider's configuration names gets the role that it gives, in the same append.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy, require_version
from commands.directory_port import (
    ChangedDirectoryMembers,
    RemovedDirectoryEntry,
    StoredDirectoryEntry,
)
from commands.directory_roles import roles_with
from commands.directory_users import directory_of, entry_of
from domain.directory_groups import DirectoryGroup, DirectoryGroupNotFound
from domain.directory_users import DirectoryUserNotFound
from domain.errors import FieldError, Invalid, Refused
from domain.feature_flags import SCIM
from domain.identity_providers import IdentityProvider


class GroupNameTaken(Refused):
    """There is a group of this name in this directory already."""

    code = "group_name_taken"


@dataclass(frozen=True, slots=True)
class CreateDirectoryGroup(Command):
    requires: ClassVar[str] = "scim"
    feature: ClassVar[str | None] = SCIM

    name: str
    external_id: str | None
    member_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class ReplaceDirectoryGroup(Command):
    requires: ClassVar[str] = "scim"
    feature: ClassVar[str | None] = SCIM

    group_id: UUID
    name: str
    external_id: str | None
    member_ids: Sequence[UUID]
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class RemoveDirectoryGroup(Command):
    requires: ClassVar[str] = "scim"
    feature: ClassVar[str | None] = SCIM

    group_id: UUID


async def create_directory_group(command: CreateDirectoryGroup, on: Tenancy) -> Decided:
    """Raises GroupNameTaken, Invalid."""
    provider = await directory_of(on)
    await _require_free(on, provider, command.name, None)
    group = on.begin(
        DirectoryGroup,
        on.ports.ids.new(),
        provider_id=str(provider.id),
        name=command.name,
        external_id=command.external_id,
    )
    return await _decided(on, provider, group, name_before=None, member_ids=command.member_ids)


async def replace_directory_group(command: ReplaceDirectoryGroup, on: Tenancy) -> Decided:
    """Raises GroupNameTaken, Invalid."""
    provider = await directory_of(on)
    group = await group_of(on, provider, command.group_id)
    require_version(group, command.expected_version)
    await _require_free(on, provider, command.name, group.id)
    name_before = group.name
    group.rename(command.name, command.external_id)
    return await _decided(
        on, provider, group, name_before=name_before, member_ids=command.member_ids
    )


async def remove_directory_group(command: RemoveDirectoryGroup, on: Tenancy) -> Decided:
    provider = await directory_of(on)
    group = await group_of(on, provider, command.group_id)
    members = {UUID(member) for member in group.member_ids}
    name = group.name
    group.remove()
    concerned = members if name in provider.group_roles else set[UUID]()
    roles = await roles_with(on, provider, group, concerned)
    return Decided(
        {"group_id": str(group.id), "is_removed": True},
        aggregates=(group, *roles.aggregates),
        side_rows=(*roles.side_rows, RemovedDirectoryEntry(group.id)),
    )


async def group_of(on: Tenancy, provider: IdentityProvider, group_id: UUID) -> DirectoryGroup:
    """Raises DirectoryGroupNotFound."""
    group = await on.load(DirectoryGroup, group_id, DirectoryGroupNotFound)
    group.require_in(provider.id)
    return group


async def _decided(
    on: Tenancy,
    provider: IdentityProvider,
    group: DirectoryGroup,
    *,
    name_before: str | None,
    member_ids: Sequence[UUID],
) -> Decided:
    before = {UUID(member) for member in group.member_ids}
    after = set(member_ids)
    await _require_users(on, provider, after - before, member_ids)
    group.set_members([str(member) for member in after])
    # Whoever comes or goes; and everybody, when the group has become another one.
    changed = before ^ after if name_before in {None, group.name} else before | after
    is_told = not provider.group_roles.keys().isdisjoint({name_before, group.name})
    roles = await roles_with(on, provider, group, changed if is_told else ())
    external_id = group.external_id
    row = StoredDirectoryEntry(
        provider_id=provider.id,
        kind="group",
        entry_id=group.id,
        name_hash=on.directory.text_hash(group.name),
        external_id_hash=None if external_id is None else on.directory.text_hash(external_id),
    )
    members = ChangedDirectoryMembers(group.id, sorted(after - before), sorted(before - after))
    return Decided(
        {"group_id": str(group.id), "version": group.version},
        aggregates=(group, *roles.aggregates),
        side_rows=(*roles.side_rows, row, members),
    )


async def _require_users(
    on: Tenancy, provider: IdentityProvider, added: set[UUID], member_ids: Sequence[UUID]
) -> None:
    """Raises Invalid for a member who is no user of this directory."""
    for place, user_id in enumerate(member_ids):
        if user_id in added:
            try:
                on.keep(await entry_of(on, provider, user_id))
            except DirectoryUserNotFound:
                reason = "a user of this directory is expected"
                path = f"/members/{place}/value"
                raise Invalid(errors=[FieldError(path, "unknown_user", reason)]) from None


async def _require_free(
    on: Tenancy, provider: IdentityProvider, name: str, own: UUID | None
) -> None:
    found = await on.directory.page(on.tenant_id, provider.id, "group", name=name, limit=1)
    if found.entry_ids and found.entry_ids[0] != own:
        raise GroupNameTaken
