"""Mail to people: written down with the events that are the reason for it, and sent after them.

    handler ──► Mailbox.queued ──► a side row of the append ──► MailOutbox ──► MailServer

A crash between the append and the sending loses nothing; one between the sending and its record
sends the same mail again, under the same Message-ID.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.identifiers import TenantId


@dataclass(frozen=True, slots=True)
class Mail:
    """to: one address. subject: one line. text: plain; it may hold a token, so that it is sealed
    where it waits and is never logged.
    """

    to: str
    subject: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class QueuedMail:
    """The row of a mail that waits. user_id: to whom it goes. sealed: the Mail, readable to the
    worker that sends it.
    """

    mail_id: UUID
    user_id: UUID
    sealed: bytes = field(repr=False)
    expires_at: datetime


class Mailbox(Protocol):
    """What a command handler needs to write to somebody.

    has_server: whether mail leaves this installation at all; without a server it waits for one.
    """

    has_server: bool

    async def queued(
        self, tenant_id: TenantId, mail: Mail, *, user_id: UUID, expires_at: datetime
    ) -> QueuedMail:
        """A side row for Decided.side_rows: sent once its events are stored.

        expires_at: when the mail is of no more use, and is not tried again.
        """
        ...


@dataclass(frozen=True, slots=True)
class DueMail:
    """attempts_count: with this one."""

    tenant_id: TenantId
    mail_id: UUID
    mail: Mail
    attempts_count: int
    expires_at: datetime


class MailOutbox(Protocol):
    """The mails that wait, leased to one worker at a time."""

    async def claim(self, lease_s: float) -> DueMail | None:
        """One that is due; it is due again when the lease ends."""
        ...

    async def sent(self, mail: DueMail) -> None:
        """It is gone, with its content."""
        ...

    async def failed(self, mail: DueMail, *, retry_in_s: float | None) -> None:
        """retry_in_s: None when it is given up; what it said is removed."""
        ...


class MailRefused(Exception):
    """The server will not take this mail, however often it is tried. No address in the message."""


class MailUnavailable(Exception):
    """The server could not be reached, or asks to be tried later. No address in the message."""


class MailServer(Protocol):
    async def send(self, mail: Mail, message_id: UUID) -> None:
        """Equal message ids are the same mail, to whoever compares them. Raises MailRefused,
        MailUnavailable.
        """
        ...
