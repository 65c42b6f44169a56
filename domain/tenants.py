"""Tenant: a customer of the platform; everything else belongs to exactly one."""

from uuid import UUID

from eventsourcing.domain import Aggregate, event

from domain.errors import NotFound


class TenantNotFound(NotFound):
    """There is no such tenant."""


class Tenant(Aggregate):
    TOPIC = "tenant"

    class Created(Aggregate.Created):
        TOPIC = "tenant.created"
        name: str

    class RetentionChanged(Aggregate.Event):
        """payload_days: how long payloads are kept after the end of their run; None is for ever."""

        TOPIC = "tenant.retention_changed"
        payload_days: int | None

    class KeyDestroyed(Aggregate.Event):
        """The proof that everything of the tenant is erased. key_id: of the key, which is the
        tenant's id.
        """

        TOPIC = "tenant.key_destroyed"
        key_id: str

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        name: str,
    ) -> None:
        self.name = name
        self.payload_days: int | None = None

    def keep_payloads(self, payload_days: int | None) -> None:
        """Of runs that ended, for so many days; None is for ever."""
        if payload_days != self.payload_days:
            self._retention_changed(payload_days)

    @event(RetentionChanged)
    def _retention_changed(self, payload_days: int | None) -> None:
        self.payload_days = payload_days

    def destroy_key(self) -> None:
        """For ever: nothing of the tenant can be read afterwards, nor anything stored."""
        self._key_destroyed(str(self.id))

    @event(KeyDestroyed)
    def _key_destroyed(self, key_id: str) -> None:
        self.destroyed_key_id = key_id
