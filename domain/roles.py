"""Role: what a tenant lets some of its people do, beside the roles that every tenant has."""

from collections.abc import Sequence
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound


class RoleNotFound(NotFound):
    """There is no such role."""


class Role(Aggregate):
    """permissions: of commands/authorization.py, sorted."""

    TOPIC = "role"

    class Created(Aggregate.Created):
        TOPIC = "role.created"
        name: str
        permissions: list[str]

    class Changed(Aggregate.Event):
        TOPIC = "role.changed"
        name: str
        permissions: list[str]

    class Deleted(Aggregate.Event):
        TOPIC = "role.deleted"

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        name: str,
        permissions: list[str],
    ) -> None:
        self.name = name
        self.permissions = permissions
        self.is_deleted = False

    def change(self, name: str, permissions: Sequence[str]) -> None:
        self.require_present()
        if (name, list(permissions)) != (self.name, self.permissions):
            self._changed(name, list(permissions))

    def delete(self) -> None:
        self.require_present()
        self._deleted()

    def require_present(self) -> None:
        """Raises RoleNotFound once the role was deleted."""
        if self.is_deleted:
            raise RoleNotFound

    @event(Changed)
    def _changed(self, name: str, permissions: list[str]) -> None:
        self.name = name
        self.permissions = permissions

    @event(Deleted)
    def _deleted(self) -> None:
        self.is_deleted = True
