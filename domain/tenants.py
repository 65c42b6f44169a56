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

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        name: str,
    ) -> None:
        self.name = name
