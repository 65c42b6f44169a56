"""Secret: a value that runs may use and nobody may read, of a tenant or of one of its people. Its
history says that there is one, since when, and where it may be sent; never what it is.
"""

from collections.abc import Sequence
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound
from domain.identifiers import TenantId

# Never changes: a secret is found by an id made in it.
SECRETS_NAMESPACE = UUID("8f6f2c0a-52f5-5a0e-8d53-0b7c2c1f4e77")


class SecretNotFound(NotFound):
    """There is no such secret."""


def secret_id(tenant_id: TenantId, user_id: UUID | None, name: str) -> UUID:
    """user_id: None is the tenant's own."""
    return uuid5(SECRETS_NAMESPACE, f"{tenant_id}/{user_id or ''}/{name}")


class Secret(Aggregate):
    """allowed_hosts: see allowed_hosts.py. value_version: counts the values it has had."""

    TOPIC = "secret"

    class Created(Aggregate.Created):
        """user_id: whose it is; None is everybody's of the tenant."""

        TOPIC = "secret.created"
        name: str
        user_id: str | None

    class Stored(Aggregate.Event):
        TOPIC = "secret.stored"
        value_version: int
        allowed_hosts: list[str]

    class Removed(Aggregate.Event):
        TOPIC = "secret.removed"

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        name: str,
        user_id: str | None,
    ) -> None:
        self.name = name
        self.user_id = user_id
        self.value_version = 0
        self.allowed_hosts: list[str] = []
        self.is_removed = True

    @property
    def subject_id(self) -> UUID | None:
        """With whom it goes; None when it is the tenant's."""
        return None if self.user_id is None else UUID(self.user_id)

    def store(self, allowed_hosts: Sequence[str]) -> None:
        """A new value, also when it is the old one: nobody can compare them."""
        self._stored(self.value_version + 1, list(allowed_hosts))

    def remove(self) -> None:
        self.require_present()
        self._removed()

    def require_present(self) -> None:
        """Raises SecretNotFound."""
        if self.is_removed:
            raise SecretNotFound

    @event(Stored)
    def _stored(self, value_version: int, allowed_hosts: list[str]) -> None:
        self.value_version = value_version
        self.allowed_hosts = allowed_hosts
        self.is_removed = False

    @event(Removed)
    def _removed(self) -> None:
        self.is_removed = True
