"""User: a person of a tenant. Passwords are no facts of the log: only their hash is kept, beside
it.

    created ──► ACTIVE ◄──► DEACTIVATED
       │          ▲            ▲
       └► INVITED ┴ accepted   │
             └─────────────────┘
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound, Refused

ROLES = ("ADMIN", "USER", "VIEWER", "RESELLER")
ADMIN = "ADMIN"
RESELLER = "RESELLER"

UserStatus = Literal["INVITED", "ACTIVE", "DEACTIVATED"]


class UserNotFound(NotFound):
    """There is no such user."""


class AlreadyAccepted(Refused):
    """This person has an account already and needs no invitation."""

    code = "already_accepted"


class InvitationOver(Refused):
    """This invitation is over; ask for a new one."""

    code = "invitation_over"


class NotAccepted(Refused):
    """This person has not accepted the invitation yet; send it again instead."""

    code = "not_accepted"


class UserErased(Refused):
    """This person was erased; nothing can be changed about them any more."""

    code = "user_erased"


class User(Aggregate):
    """role: one of ROLES, or the id of a role of the tenant's own making. email: empty once the
    person is erased.
    """

    TOPIC = "user"

    class Created(Aggregate.Created):
        TOPIC = "user.created"
        class_version = 2
        email: str
        role: str
        name: str | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            state["name"] = None

    class Invited(Aggregate.Event):
        """expires_at: RFC 3339. Another invitation replaces the one before."""

        TOPIC = "user.invited"
        expires_at: str

    class Accepted(Aggregate.Event):
        TOPIC = "user.accepted"

    class RoleChanged(Aggregate.Event):
        TOPIC = "user.role_changed"
        role: str

    class ProfileChanged(Aggregate.Event):
        TOPIC = "user.profile_changed"
        name: str | None

    class Deactivated(Aggregate.Event):
        TOPIC = "user.deactivated"

    class Reactivated(Aggregate.Event):
        TOPIC = "user.reactivated"

    class Erased(Aggregate.Event):
        """The person's key is gone, and with it what was personal in this stream."""

        TOPIC = "user.erased"
        subject_id: str

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        email: str,
        role: str,
        name: str | None,
    ) -> None:
        self.email = email
        self.role = role
        self.name = name
        self.status: UserStatus = "ACTIVE"
        self.has_accepted = True
        self.invited_until: str | None = None
        self.is_erased = False

    @property
    def subject_id(self) -> UUID:
        """Whose data it is about."""
        return self.id

    @property
    def is_active(self) -> bool:
        return self.status == "ACTIVE"

    @property
    def is_administrator(self) -> bool:
        """Whether this person can administrate the tenant at this moment."""
        return self.is_active and self.role == ADMIN

    def invite(self, expires_at: datetime) -> None:
        """Right after the beginning, or again until it is accepted."""
        if self.version > 1 and self.has_accepted:
            raise AlreadyAccepted
        self._invited(expires_at.isoformat())

    def accept(self, now: datetime) -> None:
        """Raises InvitationOver, also for an invitation that was accepted or taken back."""
        until = self.invited_until
        if self.status != "INVITED" or until is None or datetime.fromisoformat(until) <= now:
            raise InvitationOver
        self._accepted()

    def give_role(self, role: str) -> None:
        if role != self.role:
            self._role_changed(role)

    def rename(self, name: str | None) -> None:
        if name != self.name:
            self._profile_changed(name)

    def deactivate(self) -> None:
        """Deactivating twice is once."""
        if self.status != "DEACTIVATED":
            self._deactivated()

    def reactivate(self) -> None:
        if self.status == "ACTIVE":
            return
        if not self.has_accepted:
            raise NotAccepted
        self._reactivated()

    def require_present(self) -> None:
        """Raises UserErased."""
        if self.is_erased:
            raise UserErased

    def erase(self) -> None:
        """For good; twice is once."""
        if not self.is_erased:
            self._erased(str(self.id))

    @event(Invited)
    def _invited(self, expires_at: str) -> None:
        self.status = "INVITED"
        self.has_accepted = False
        self.invited_until = expires_at

    @event(Accepted)
    def _accepted(self) -> None:
        self.status = "ACTIVE"
        self.has_accepted = True
        self.invited_until = None

    @event(RoleChanged)
    def _role_changed(self, role: str) -> None:
        self.role = role

    @event(ProfileChanged)
    def _profile_changed(self, name: str | None) -> None:
        self.name = name

    @event(Deactivated)
    def _deactivated(self) -> None:
        self.status = "DEACTIVATED"
        self.invited_until = None

    @event(Reactivated)
    def _reactivated(self) -> None:
        self.status = "ACTIVE"

    @event(Erased)
    def _erased(self, subject_id: str) -> None:  # noqa: ARG002 # the event's, for who reads it
        self.email = ""
        self.name = None
        self.status = "DEACTIVATED"
        self.invited_until = None
        self.is_erased = True
