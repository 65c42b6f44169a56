"""Sharing: with whom somebody shares a workflow or an agent, and what for. A stream of its own, so
that who may look at the workflow is not told who else may, and its version stays as it is.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound, Refused
from domain.identifiers import StreamId

SHARES_MAX = 100

SharedKind: TypeAlias = Literal["workflow", "agent"]
# view: it and its runs. execute: it, to run it; the runs of others are not shown.
Access: TypeAlias = Literal["view", "execute"]


class ShareNotFound(NotFound):
    """There is no such share."""


class TooManyShares(Refused):
    """This is shared as often as it can be; share it with a role, or end a share."""

    code = "too_many_shares"


@dataclass(frozen=True, slots=True)
class Share:
    """With one person, or with everybody who has a role: the other one is None. role: as
    domain/identity.py has it.
    """

    user_id: str | None
    role: str | None
    access: Access

    @property
    def grantee(self) -> str:
        return f"role:{self.role}" if self.user_id is None else f"user:{self.user_id}"


def sharing_id(shared_id: UUID) -> StreamId:
    """Never changes: the stream is found by it."""
    return StreamId(uuid5(shared_id, "sharing"))


def share_id(shared_id: UUID, share: Share) -> UUID:
    """The same share is the same one again, also after it was ended."""
    return uuid5(shared_id, f"{share.grantee}:{share.access}")


class Sharing(Aggregate):
    """shares: those that hold, by their ids."""

    TOPIC = "sharing"

    class Created(Aggregate.Created):
        TOPIC = "sharing.created"
        shared_kind: SharedKind
        shared_id: str

    class Granted(Aggregate.Event):
        TOPIC = "sharing.granted"
        shared_kind: SharedKind
        shared_id: str
        share_id: str
        user_id: str | None
        role: str | None
        access: Access

    class Ended(Aggregate.Event):
        TOPIC = "sharing.ended"
        share_id: str

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        shared_kind: SharedKind,
        shared_id: str,
    ) -> None:
        self.shared_kind: SharedKind = shared_kind
        self.shared_id = shared_id
        self.shares: dict[str, Share] = {}

    def grant(self, share: Share) -> str:
        """Its id. What is shared already is not shared again. Raises TooManyShares."""
        granted_id = str(share_id(UUID(self.shared_id), share))
        if granted_id in self.shares:
            return granted_id
        if len(self.shares) >= SHARES_MAX:
            raise TooManyShares
        self._granted(
            shared_kind=self.shared_kind,
            shared_id=self.shared_id,
            share_id=granted_id,
            user_id=share.user_id,
            role=share.role,
            access=share.access,
        )
        return granted_id

    def end(self, wanted_id: UUID) -> list[Share]:
        """wanted_id: of a share, or of somebody, all of whose shares end. Those that ended. Raises
        ShareNotFound.
        """
        wanted = str(wanted_id)
        ended = {
            held_id: share
            for held_id, share in self.shares.items()
            if wanted in (held_id, share.user_id)
        }
        if not ended:
            raise ShareNotFound
        for held_id in ended:
            self._ended(held_id)
        return list(ended.values())

    def end_all(self) -> list[Share]:
        """Those that ended."""
        ended = dict(self.shares)
        for held_id in ended:
            self._ended(held_id)
        return list(ended.values())

    @event(Granted)
    def _granted(  # as the event has it
        self,
        *,
        shared_kind: SharedKind,  # noqa: ARG002 # told again, so that a read model needs no other event
        shared_id: str,  # noqa: ARG002 # likewise
        share_id: str,
        user_id: str | None,
        role: str | None,
        access: Access,
    ) -> None:
        self.shares[share_id] = Share(user_id, role, access)

    @event(Ended)
    def _ended(self, share_id: str) -> None:
        self.shares.pop(share_id)
