"""DirectoryUser: what the directory of an identity provider says about somebody of the tenant
(SCIM, RFC 7643). Who the person is here, and what they may do, is their User.
"""

from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound
from domain.identifiers import JsonObject, StreamId


class DirectoryUserNotFound(NotFound):
    """There is no such user in this directory."""


def directory_user_id(user_id: UUID) -> StreamId:
    """Never changes: the stream of a person is found by it."""
    return StreamId(uuid5(user_id, "directory"))


class DirectoryUser(Aggregate):
    """provider_id: whose directory. attributes: as it gave them. is_claimed: whether somebody has
    signed in at the provider as this person; nobody else becomes them by an address afterwards.
    """

    TOPIC = "directory_user"

    class Created(Aggregate.Created):
        TOPIC = "directory_user.created"
        user_id: str
        provider_id: str
        attributes: JsonObject

    class Changed(Aggregate.Event):
        """Also that somebody who was removed is there again."""

        TOPIC = "directory_user.changed"
        attributes: JsonObject

    class Claimed(Aggregate.Event):
        TOPIC = "directory_user.claimed"

    class Removed(Aggregate.Event):
        TOPIC = "directory_user.removed"

    class Erased(Aggregate.Event):
        """The person's key is gone, and with it what was personal in this stream."""

        TOPIC = "directory_user.erased"
        subject_id: str

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        user_id: str,
        provider_id: str,
        attributes: JsonObject,
    ) -> None:
        self.user_id = user_id
        self.provider_id = provider_id
        self.attributes = attributes
        self.is_claimed = False
        self.is_removed = False
        self.is_erased = False

    @property
    def subject_id(self) -> UUID:
        """Whose data it is about."""
        return UUID(self.user_id)

    def require_in(self, provider_id: UUID) -> None:
        """Raises DirectoryUserNotFound unless it is in this directory now."""
        if self.is_removed or self.provider_id != str(provider_id):
            raise DirectoryUserNotFound

    def awaits(self, provider_id: UUID) -> bool:
        """Whether somebody who signs in at this provider may still become them."""
        is_there = not self.is_removed and self.provider_id == str(provider_id)
        return is_there and not self.is_claimed

    def replace(self, attributes: JsonObject) -> None:
        if self.is_removed or attributes != self.attributes:
            self._changed(attributes)

    def claim(self) -> None:
        if not self.is_claimed:
            self._claimed()

    def remove(self) -> None:
        self._removed()

    def erase(self) -> None:
        """Twice is once."""
        if not self.is_removed:
            self._removed()
        if not self.is_erased:
            self._erased(self.user_id)

    @event(Changed)
    def _changed(self, attributes: JsonObject) -> None:
        self.attributes = attributes
        self.is_removed = False

    @event(Claimed)
    def _claimed(self) -> None:
        self.is_claimed = True

    @event(Removed)
    def _removed(self) -> None:
        self.is_removed = True

    @event(Erased)
    def _erased(self, subject_id: str) -> None:  # noqa: ARG002 # the event's, for who reads it
        self.attributes = {}
        self.is_erased = True
