"""/scim/v2/Users: the people whom the directory of an identity provider brings (RFC 7644)."""

import re
from typing import Any
from uuid import UUID

from scim2_models import Context, InvalidValueException, PatchOp, Resource

from commands.decisions import Tenancy, VersionMismatch
from commands.directory_port import DirectoryKind
from commands.directory_users import (
    CreateDirectoryUser,
    DirectoryProfile,
    RemoveDirectoryUser,
    ReplaceDirectoryUser,
    directory_of,
    entry_of,
)
from domain.directory_groups import DirectoryGroup, DirectoryGroupNotFound
from domain.directory_users import DirectoryUser
from domain.identifiers import JsonObject
from domain.identity import User as Person
from domain.identity import UserNotFound
from write_api.scim_call import PATCH_ATTEMPTS_MAX, ScimCall
from write_api.scim_resources import POLICY, EmailOfUser, GroupOfUser, User, meta, require_bounded

NAME_CHARACTERS_MAX = 200
ATTRIBUTES_BYTES_MAX = 16 * 1024
EMAIL_CHARACTERS_MAX = 254
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class Users:
    """The collection, as ScimCall is asked about it."""

    kind: DirectoryKind = "user"
    resource: type[Resource[Any]] = User
    name_attribute = "username"

    async def create(self, call: ScimCall, body: JsonObject) -> UUID:
        resource = User.model_validate(
            body, scim_ctx=Context.RESOURCE_CREATION_REQUEST, scim_policy=POLICY
        )
        return await call.dispatched(CreateDirectoryUser(_profile(resource)), "user_id")

    async def replace(self, call: ScimCall, entry_id: UUID, body: JsonObject) -> None:
        resource = User.model_validate(
            body, scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST, scim_policy=POLICY
        )
        command = ReplaceDirectoryUser(entry_id, _profile(resource))
        await call.dispatched(command, "user_id")

    async def patch(self, call: ScimCall, entry_id: UUID, body: JsonObject) -> None:
        operations = PatchOp[User].model_validate(
            body, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY
        )
        for attempt in range(PATCH_ATTEMPTS_MAX):
            entry = await self._entry(call.on, entry_id)
            resource = _resource(entry)
            operations.patch(resource, scim_policy=POLICY)
            command = ReplaceDirectoryUser(entry_id, _profile(resource), entry.version)
            try:
                await call.dispatched(command, "user_id")
            except VersionMismatch:
                if attempt + 1 == PATCH_ATTEMPTS_MAX:
                    raise
            else:
                return

    async def remove(self, call: ScimCall, entry_id: UUID) -> None:
        await call.dispatched(RemoveDirectoryUser(entry_id), "user_id")

    async def read(self, call: ScimCall, entry_id: UUID) -> User:
        on = call.on
        entry = await self._entry(on, entry_id)
        on.keep(entry)
        person = await on.load(Person, entry_id, UserNotFound)
        on.keep(person)
        resource = _resource(entry)
        resource.id = str(entry_id)
        if resource.active is not None or not person.is_active:
            resource.active = person.is_active
        groups = await on.directory.groups_of(on.tenant_id, [entry_id])
        resource.groups = [
            GroupOfUser(value=str(group_id), display=await _group_name(on, group_id))
            for group_id in groups.get(entry_id, [])
        ] or None
        resource.meta = meta(
            "User", call.location("Users", entry_id), entry.created_on, entry.modified_on
        )
        return resource

    async def _entry(self, on: Tenancy, entry_id: UUID) -> DirectoryUser:
        return await entry_of(on, await directory_of(on), entry_id)


async def _group_name(on: Tenancy, group_id: UUID) -> str:
    group = await on.load(DirectoryGroup, group_id, DirectoryGroupNotFound)
    on.keep(group)
    return group.name


def _resource(entry: DirectoryUser) -> User:
    return User.model_validate(entry.attributes, scim_policy=POLICY)


def _profile(resource: User) -> DirectoryProfile:
    """Raises InvalidValueException."""
    user_name = resource.user_name or ""
    if not 0 < len(user_name) <= NAME_CHARACTERS_MAX:
        raise InvalidValueException(detail=f"userName has 1 to {NAME_CHARACTERS_MAX} characters")
    require_bounded(resource)
    attributes: dict[str, Any] = resource.model_dump(scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST)
    attributes.pop("id", None)
    if len(str(attributes).encode()) > ATTRIBUTES_BYTES_MAX:
        raise InvalidValueException(detail=f"a user has at most {ATTRIBUTES_BYTES_MAX} bytes")
    return DirectoryProfile(
        user_name=user_name,
        external_id=resource.external_id,
        email=_email(resource.emails or []),
        name=_name(resource),
        is_active=resource.active is not False,
        attributes=attributes,
    )


def _email(emails: list[EmailOfUser]) -> str:
    """The primary one, or the first."""
    ordered = sorted(emails, key=lambda email: email.primary is not True)
    email = (ordered[0].value or "") if ordered else ""
    if len(email) > EMAIL_CHARACTERS_MAX or _EMAIL.fullmatch(email) is None:
        raise InvalidValueException(detail="emails needs an address as its primary value")
    return email.casefold()


def _name(resource: User) -> str | None:
    name = resource.name
    parts = [] if name is None else [name.given_name, name.family_name]
    whole = (name and name.formatted) or " ".join(part for part in parts if part)
    return (resource.display_name or whole or "")[:NAME_CHARACTERS_MAX] or None
