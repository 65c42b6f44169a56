"""Session: one person logged in on one device, from the login to the logout.

    created ──► ended (logged_out | revoked | password_changed | token_reused | erased |
                    second_factor_required | second_factor_reset | provider_removed)

That a token of it was refreshed is no event: it happens every few minutes and says nothing new.
When it was refreshed last is kept beside the log (infra/refresh_tokens.py). A session that nobody
ends is over at expires_at without an event.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound

EndReason = Literal[
    "logged_out",
    "revoked",
    "password_changed",
    "token_reused",
    "erased",
    "second_factor_required",
    "second_factor_reset",
    "provider_removed",
]


class SessionNotFound(NotFound):
    """There is no such session."""


class Session(Aggregate):
    TOPIC = "session"

    class Created(Aggregate.Created):
        """factors: how the person proved to be who they are, e.g. `password`, `totp`. client: what
        the program called itself. expires_at: RFC 3339; no refresh goes beyond it.
        """

        TOPIC = "session.created"
        user_id: str
        factors: list[str]
        client: str | None
        expires_at: str

    class Ended(Aggregate.Event):
        TOPIC = "session.ended"
        reason: str

    class Erased(Aggregate.Event):
        """The person's key is gone, and with it what was personal in this stream."""

        TOPIC = "session.erased"
        subject_id: str

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        user_id: str,
        factors: Sequence[str],
        client: str | None,
        expires_at: str,
    ) -> None:
        self.user_id = user_id
        self.factors = list(factors)
        self.client = client
        self.expires_at = expires_at
        self.end_reason: str | None = None
        self.is_erased = False

    @property
    def subject_id(self) -> UUID:
        """Whose data it is about."""
        return UUID(self.user_id)

    def is_alive(self, now: datetime) -> bool:
        return self.end_reason is None and now < datetime.fromisoformat(self.expires_at)

    def end(self, reason: EndReason) -> None:
        """Ending twice is once, for the first reason."""
        if self.end_reason is None:
            self._ended(reason)

    def erase(self) -> None:
        """Twice is once."""
        self.end("erased")
        if not self.is_erased:
            self._erased(self.user_id)

    @event(Ended)
    def _ended(self, reason: str) -> None:
        self.end_reason = reason

    @event(Erased)
    def _erased(self, subject_id: str) -> None:  # noqa: ARG002 # the event's, for who reads it
        self.client = None
        self.is_erased = True
