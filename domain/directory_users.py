"""DirectoryUser: what the directory of an identity provider says about somebody of the tenant
(SCIM, RFC 7643). Who the person is here, and what they may do, is their User.
"""

from uuid import UUID, uuid5

from eventsourcing.domain import Aggregate, event

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
