"""ApiKey: a credential of a program. The secret is shown once; only its hash is kept, beside the
log.
"""

from collections.abc import Sequence
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound, Refused


class ApiKeyNotFound(NotFound):
    """There is no such API key."""


class ApiKeyRevoked(Refused):
    """This API key is revoked, which is for good."""

    code = "api_key_revoked"


class ApiKey(Aggregate):
    TOPIC = "api_key"

    class Created(Aggregate.Created):
        TOPIC = "api_key.created"
        name: str
        prefix: str
        scopes: list[str]
        user_id: str | None
        expires_at: str | None

    class AddressesRestricted(Aggregate.Event):
        """allowed_addresses: networks; empty allows every address."""

        TOPIC = "api_key.addresses_restricted"
        allowed_addresses: list[str]

    class ScopesChanged(Aggregate.Event):
        TOPIC = "api_key.scopes_changed"
        scopes: list[str]

    class Rotated(Aggregate.Event):
        """prefix: of the new secret. previous_until: when the one before it ends, RFC 3339."""

        TOPIC = "api_key.rotated"
        prefix: str
        previous_until: str

    class Revoked(Aggregate.Event):
        TOPIC = "api_key.revoked"

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        name: str,
        prefix: str,
        scopes: Sequence[str],
        user_id: str | None,
        expires_at: str | None,
    ) -> None:
        self.name = name
        self.prefix = prefix
        self.scopes = list(scopes)
        self.user_id = user_id
        self.expires_at = expires_at
        self.allowed_addresses = list[str]()
        self.previous_until: str | None = None
        self.is_revoked = False

    @property
    def subject_id(self) -> UUID | None:
        """With whom it goes; None when it is the tenant's."""
        return None if self.user_id is None else UUID(self.user_id)

    def restrict_addresses(self, allowed_addresses: Sequence[str]) -> None:
        """Only from these networks; from everywhere when there are none. Raises ApiKeyRevoked."""
        self._require_in_force()
        if list(allowed_addresses) != self.allowed_addresses:
            self._addresses_restricted(allowed_addresses=list(allowed_addresses))

    def change_scopes(self, scopes: Sequence[str]) -> None:
        """Raises ApiKeyRevoked."""
        self._require_in_force()
        if list(scopes) != self.scopes:
            self._scopes_changed(scopes=list(scopes))

    def rotate(self, *, prefix: str, previous_until: str) -> None:
        """Raises ApiKeyRevoked."""
        self._require_in_force()
        self._rotated(prefix=prefix, previous_until=previous_until)

    def revoke(self) -> None:
        """Revoking twice is once."""
        if not self.is_revoked:
            self._revoked()

    def _require_in_force(self) -> None:
        if self.is_revoked:
            raise ApiKeyRevoked

    @event(AddressesRestricted)
    def _addresses_restricted(self, allowed_addresses: list[str]) -> None:
        self.allowed_addresses = allowed_addresses

    @event(ScopesChanged)
    def _scopes_changed(self, scopes: list[str]) -> None:
        self.scopes = scopes

    @event(Rotated)
    def _rotated(self, prefix: str, previous_until: str) -> None:
        self.prefix = prefix
        self.previous_until = previous_until

    @event(Revoked)
    def _revoked(self) -> None:
        self.is_revoked = True
