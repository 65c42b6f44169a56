"""What the groups of a directory let people do, by the configuration of its provider; and for who
is in them already, when it is configured anew.
"""

from collections.abc import Iterable
from uuid import UUID

from commands.authorization import ROLE_GRANTS
from commands.decisions import Tenancy
from commands.memberships import Memberships, memberships_of
from domain.directory_groups import DirectoryGroup, DirectoryGroupNotFound
from domain.errors import Refused
from domain.identity import User, UserNotFound
from domain.identity_providers import IdentityProvider

ROLES_CHANGED_MAX = 1_000
# Of the roles that every tenant has, the one that may most comes first.
ROLE_ORDER = ("ADMIN", "RESELLER", "USER", "VIEWER")


class TooManyRolesChanged(Refused):
    """One change may concern the roles of at most 1,000 people."""

    code = "too_many_roles_changed"


def role_of_groups(provider: IdentityProvider, groups: Iterable[str]) -> str:
    """Of several the one that may most; roles of the tenant's own making come before VIEWER."""
    roles = {str(provider.group_roles[group]) for group in groups if group in provider.group_roles}
    own = sorted(roles - ROLE_GRANTS.keys())
    for role in (*ROLE_ORDER[:-1], *own, ROLE_ORDER[-1]):
        if role in roles:
            return role
    return provider.default_role


async def roles_as_configured(
    on: Tenancy, provider: IdentityProvider, groups: Iterable[str]
) -> Memberships:
    """Of who is in the groups of these names, whose roles are configured anew. Raises
    TooManyRolesChanged.
    """
    members: set[UUID] = set()
    for name in sorted(groups):
        found = await on.directory.page(on.tenant_id, provider.id, "group", name=name, limit=1)
        for group_id in found.entry_ids:
            group = await on.load(DirectoryGroup, group_id, DirectoryGroupNotFound)
            on.keep(group)
            members |= {UUID(member) for member in group.member_ids}
    return await roles_with(on, provider, None, members)


async def roles_with(
    on: Tenancy,
    provider: IdentityProvider,
    group: DirectoryGroup | None,
    user_ids: Iterable[UUID],
) -> Memberships:
    """Of these people, as of the groups that they are in. group: one that is being changed, which
    counts as it is with the change. Raises TooManyRolesChanged.
    """
    concerned = sorted(user_ids)
    if len(concerned) > ROLES_CHANGED_MAX:
        raise TooManyRolesChanged
    if not concerned:
        return Memberships((), ())
    others = await on.directory.groups_of(on.tenant_id, concerned)
    names: dict[UUID, str] = {}
    users: list[User] = []
    for user_id in concerned:
        groups = {other for other in others.get(user_id, []) if group is None or other != group.id}
        for other in groups - names.keys():
            names[other] = (await on.load(DirectoryGroup, other, DirectoryGroupNotFound)).name
        told = {names[other] for other in groups}
        if group is not None and str(user_id) in group.member_ids:
            told.add(group.name)
        user = await on.load(User, user_id, UserNotFound)
        user.give_role(role_of_groups(provider, told))
        if user.pending_events:
            users.append(user)
        else:
            on.keep(user)
    return await memberships_of(on, users) if users else Memberships((), ())
