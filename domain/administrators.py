"""Administrators: who can administrate a tenant. One stream per tenant, so that two who remove the
last two at the same time write to the same stream, and one of them is refused.
"""

from collections.abc import Sequence
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import Refused
from domain.identifiers import StreamId, TenantId


class LastAdministrator(Refused):
    """A tenant keeps at least one active ADMIN."""

    code = "last_administrator"


def administrators_id(tenant_id: TenantId) -> StreamId:
    """Never changes: the stream is found by it."""
    return StreamId(uuid5(tenant_id, "administrators"))


class Administrators(Aggregate):
    """user_ids: the active users with the role ADMIN."""

    TOPIC = "administrators"

    class Created(Aggregate.Created):
        TOPIC = "administrators.created"
        user_ids: list[str]

    class Added(Aggregate.Event):
        TOPIC = "administrators.added"
        user_id: str

    class Removed(Aggregate.Event):
        TOPIC = "administrators.removed"
        user_id: str

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        user_ids: Sequence[str],
    ) -> None:
        self.user_ids = set(user_ids)

    def add(self, user_id: UUID) -> None:
        if str(user_id) not in self.user_ids:
            self._added(str(user_id))

    def remove(self, user_id: UUID) -> None:
        """Raises LastAdministrator."""
        if str(user_id) not in self.user_ids:
            return
        if len(self.user_ids) == 1:
            raise LastAdministrator
        self._removed(str(user_id))

    @event(Added)
    def _added(self, user_id: str) -> None:
        self.user_ids.add(user_id)

    @event(Removed)
    def _removed(self, user_id: str) -> None:
        self.user_ids.discard(user_id)
