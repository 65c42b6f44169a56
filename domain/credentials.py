"""ApiKey: a credential of a program. The secret is shown once; only its hash is kept, beside the
log.
"""

from collections.abc import Sequence
from uuid import UUID

from eventsourcing.domain import Aggregate, event

from domain.errors import NotFound


class ApiKeyNotFound(NotFound):
    """There is no such API key."""


class ApiKey(Aggregate):
    TOPIC = "api_key"

    class Created(Aggregate.Created):
        TOPIC = "api_key.created"
        name: str
        prefix: str
        scopes: list[str]
        user_id: str | None
        expires_at: str | None

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
        self.is_revoked = False

    def revoke(self) -> None:
        """Revoking twice is once."""
        if not self.is_revoked:
            self._revoked()

    @event(Revoked)
    def _revoked(self) -> None:
        self.is_revoked = True
