"""Sessions: begun by a login (commands/login_flow.py), ended by their person, by an administrator,
or because of what happened to them.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from commands.authorization import require_own
from commands.decisions import SECRET, Command, Decided, Tenancy
from commands.login_port import EndedSession, StoredSession
from domain.identifiers import Json
from domain.login_rules import provider_of
from domain.sessions import EndReason, Session, SessionNotFound

# More than a person has devices; the oldest ends when one more begins.
SESSIONS_PER_USER_MAX = 100
# Whose ends are events when their identity provider goes.
SESSIONS_OF_PROVIDER_MAX = 500


@dataclass(frozen=True, slots=True)
class StartSession(Command):
    """For the caller, who has just proven to be their user. token_hash: of its refresh token."""

    requires: ClassVar[str] = "account:write"

    factors: tuple[str, ...]
    client: str | None
    expires_at: datetime
    token_hash: bytes = field(repr=False, metadata=SECRET)
    token_expires_at: datetime


@dataclass(frozen=True, slots=True)
class EndSession(Command):
    """Also in a tenant that is suspended: whose token was stolen does not wait for that."""

    requires: ClassVar[str] = "account:write"
    is_open_to_suspended: ClassVar[bool] = True

    session_id: UUID
    reason: EndReason = "revoked"


@dataclass(frozen=True, slots=True)
class EndSessions(Command):
    """All of one person; None is the caller's own. kept: the one that goes on."""

    requires: ClassVar[str] = "account:write"
    is_open_to_suspended: ClassVar[bool] = True

    user_id: UUID | None = None
    kept: UUID | None = None


async def start_session(command: StartSession, on: Tenancy) -> Decided:
    user_id = on.caller.user_id
    assert user_id is not None
    session = on.begin(
        Session,
        on.ports.ids.new(),
        user_id=str(user_id),
        factors=list[Json](command.factors),
        client=command.client,
        expires_at=command.expires_at.isoformat(),
    )
    stored = StoredSession(
        session_id=session.id,
        user_id=user_id,
        expires_at=command.expires_at,
        token_hash=command.token_hash,
        token_expires_at=command.token_expires_at,
        provider_id=provider_of(command.factors),
    )
    crowded_out = await _ended(on, user_id, "revoked", newest_kept=SESSIONS_PER_USER_MAX - 1)
    return Decided(
        result={"session_id": str(session.id)},
        aggregates=(session, *crowded_out),
        side_rows=(stored, *(EndedSession(each.id) for each in crowded_out)),
    )


async def end_session(command: EndSession, on: Tenancy) -> Decided:
    session = await on.load(Session, command.session_id, SessionNotFound)
    require_own(on.caller, command.requires, session.user_id, SessionNotFound)
    session.end(command.reason)
    return Decided(
        result={"session_id": str(session.id), "is_ended": True},
        aggregates=(session,),
        side_rows=(EndedSession(session.id),),
    )


async def end_sessions(command: EndSessions, on: Tenancy) -> Decided:
    user_id = command.user_id or on.caller.user_id
    if user_id is None:
        raise SessionNotFound("This credential belongs to nobody who has sessions.")
    require_own(on.caller, command.requires, user_id, SessionNotFound)
    ended = await _ended(on, user_id, "revoked", kept=command.kept)
    return Decided(
        result={"ended_count": len(ended)},
        aggregates=ended,
        side_rows=tuple(EndedSession(session.id) for session in ended),
    )


async def ended_sessions(
    on: Tenancy, user_id: UUID, reason: EndReason, *, kept: UUID | None = None
) -> list[Session]:
    """All that are alive, with their ends pending; for what ends them together with its own
    events.
    """
    return await _ended(on, user_id, reason, kept=kept)


async def sessions_of_provider(on: Tenancy, provider_id: UUID) -> list[Session]:
    """The newest of those that were begun there and are alive, with their ends pending."""
    accounts = on.ports.accounts
    assert accounts is not None
    now = on.ports.clock.now()
    alive = await accounts.alive_sessions_of_provider(
        on.tenant_id, provider_id, now, SESSIONS_OF_PROVIDER_MAX
    )
    sessions = [await on.load(Session, session_id, SessionNotFound) for session_id in alive]
    for session in sessions:
        session.end("provider_removed")
    return sessions


async def _ended(
    on: Tenancy,
    user_id: UUID,
    reason: EndReason,
    *,
    kept: UUID | None = None,
    newest_kept: int = 0,
) -> list[Session]:
    accounts = on.ports.accounts
    assert accounts is not None
    alive = await accounts.alive_sessions(on.tenant_id, user_id, on.ports.clock.now())
    ended: list[Session] = []
    for session_id in alive[newest_kept:]:
        if session_id != kept:
            session = await on.load(Session, session_id, SessionNotFound)
            session.end(reason)
            ended.append(session)
    return ended
