"""DirectoryGroup: a group in the directory of an identity provider (SCIM). What its members may do
by it is configured with the provider.
"""

from collections.abc import Sequence
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound, Refused

MEMBERS_MAX = 10_000


class DirectoryGroupNotFound(NotFound):
    """There is no such group in this directory."""


class TooManyMembers(Refused):
    """A group has at most 10,000 members."""

    code = "too_many_members"


class DirectoryGroup(Aggregate):
    """provider_id: whose directory. member_ids: users."""

    TOPIC = "directory_group"

    class Created(Aggregate.Created):
        TOPIC = "directory_group.created"
        provider_id: str
        name: str
        external_id: str | None

    class Renamed(Aggregate.Event):
        TOPIC = "directory_group.renamed"
        name: str
        external_id: str | None

    class MembersChanged(Aggregate.Event):
        TOPIC = "directory_group.members_changed"
        added: list[str]
        removed: list[str]

    class Removed(Aggregate.Event):
        TOPIC = "directory_group.removed"

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        provider_id: str,
        name: str,
        external_id: str | None,
    ) -> None:
        self.provider_id = provider_id
        self.name = name
        self.external_id = external_id
        self.member_ids: set[str] = set()
        self.is_removed = False

    def require_in(self, provider_id: UUID) -> None:
        """Raises DirectoryGroupNotFound unless it is in this directory now."""
        if self.is_removed or self.provider_id != str(provider_id):
            raise DirectoryGroupNotFound

    def rename(self, name: str, external_id: str | None) -> None:
        if (name, external_id) != (self.name, self.external_id):
            self._renamed(name, external_id)

    def set_members(self, member_ids: Sequence[str]) -> None:
        """Raises TooManyMembers."""
        wanted = set(member_ids)
        if len(wanted) > MEMBERS_MAX:
            raise TooManyMembers
        if wanted != self.member_ids:
            added, removed = wanted - self.member_ids, self.member_ids - wanted
            self._members_changed(sorted(added), sorted(removed))

    def remove(self) -> None:
        self._removed()

    @event(Renamed)
    def _renamed(self, name: str, external_id: str | None) -> None:
        self.name = name
        self.external_id = external_id

    @event(MembersChanged)
    def _members_changed(self, added: list[str], removed: list[str]) -> None:
        self.member_ids = (self.member_ids | set(added)) - set(removed)

    @event(Removed)
    def _removed(self) -> None:
        self.is_removed = True
        self.member_ids = set()
