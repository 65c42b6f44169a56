"""/scim/v2/Groups: the groups of a directory, and who is in them (RFC 7644)."""

from typing import Any
from uuid import UUID

from scim2_models import Context, InvalidValueException, PatchOp, Reference, Resource

from commands.decisions import Tenancy, VersionMismatch
from commands.directory_groups import (
    CreateDirectoryGroup,
    RemoveDirectoryGroup,
    ReplaceDirectoryGroup,
    group_of,
)
from commands.directory_port import DirectoryKind
from commands.directory_users import directory_of
from domain.directory_groups import DirectoryGroup
from domain.identifiers import JsonObject
from write_api.scim_call import PATCH_ATTEMPTS_MAX, ScimCall
from write_api.scim_resources import (
    POLICY,
    Group,
    MemberOfGroup,
    meta,
    require_bounded,
    uuid_or_none,
)

NAME_CHARACTERS_MAX = 200


class Groups:
    """The collection, as ScimCall is asked about it."""

    kind: DirectoryKind = "group"
    resource: type[Resource[Any]] = Group
    name_attribute = "displayname"

    async def create(self, call: ScimCall, body: JsonObject) -> UUID:
        resource = Group.model_validate(
            body, scim_ctx=Context.RESOURCE_CREATION_REQUEST, scim_policy=POLICY
        )
        command = CreateDirectoryGroup(_name(resource), resource.external_id, _members(resource))
        return await call.dispatched(command, "group_id")

    async def replace(self, call: ScimCall, entry_id: UUID, body: JsonObject) -> None:
        resource = Group.model_validate(
            body, scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST, scim_policy=POLICY
        )
        await call.dispatched(_replacing(entry_id, resource, None), "group_id")

    async def patch(self, call: ScimCall, entry_id: UUID, body: JsonObject) -> None:
        operations = PatchOp[Group].model_validate(
            body, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY
        )
        for attempt in range(PATCH_ATTEMPTS_MAX):
            group = await self._group(call.on, entry_id)
            resource = _resource(group, call)
            operations.patch(resource, scim_policy=POLICY)
            command = _replacing(entry_id, resource, group.version)
            try:
                await call.dispatched(command, "group_id")
            except VersionMismatch:
                if attempt + 1 == PATCH_ATTEMPTS_MAX:
                    raise
            else:
                return

    async def remove(self, call: ScimCall, entry_id: UUID) -> None:
        await call.dispatched(RemoveDirectoryGroup(entry_id), "group_id")

    async def read(self, call: ScimCall, entry_id: UUID) -> Group:
        group = await self._group(call.on, entry_id)
        call.on.keep(group)
        resource = _resource(group, call)
        resource.meta = meta(
            "Group", call.location("Groups", entry_id), group.created_on, group.modified_on
        )
        return resource

    async def _group(self, on: Tenancy, entry_id: UUID) -> DirectoryGroup:
        return await group_of(on, await directory_of(on), entry_id)


def _resource(group: DirectoryGroup, call: ScimCall) -> Group:
    members = [
        MemberOfGroup(
            value=member,
            ref=Reference(call.location("Users", UUID(member))),
            type="User",
        )
        for member in sorted(group.member_ids)
    ]
    return Group(
        id=str(group.id),
        external_id=group.external_id,
        display_name=group.name,
        members=members or None,
    )


def _replacing(
    group_id: UUID, resource: Group, expected_version: int | None
) -> ReplaceDirectoryGroup:
    return ReplaceDirectoryGroup(
        group_id,
        _name(resource),
        resource.external_id,
        _members(resource),
        expected_version,
    )


def _name(resource: Group) -> str:
    require_bounded(resource)
    name = resource.display_name or ""
    if not 0 < len(name) <= NAME_CHARACTERS_MAX:
        reason = f"displayName has 1 to {NAME_CHARACTERS_MAX} characters"
        raise InvalidValueException(detail=reason)
    return name


def _members(resource: Group) -> list[UUID]:
    """Without repetitions. Raises InvalidValueException for what is no id of a user."""
    found: dict[UUID, None] = {}
    for member in resource.members or []:
        user_id = uuid_or_none(member.value)
        if user_id is None:
            raise InvalidValueException(detail="members needs ids of users as its values")
        found[user_id] = None
    return list(found)
