"""User: a person of a tenant. Passwords are no facts of the log: only their hash is kept, beside
it.
"""

from uuid import UUID

from eventsourcing.domain import Aggregate, event

ROLES = ("ADMIN", "USER", "VIEWER", "RESELLER")


class User(Aggregate):
    TOPIC = "user"

    class Created(Aggregate.Created):
        TOPIC = "user.created"
        email: str
        role: str

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        email: str,
        role: str,
    ) -> None:
        self.email = email
        self.role = role
