"""sessions: where people are logged in, and where they were. No token is anywhere here."""

from datetime import datetime
from uuid import UUID

from typing_extensions import TypedDict

from domain.sessions import Session
from projections.table import (
    BigInt,
    Decoded,
    Instant,
    Key,
    Projection,
    Text,
    Texts,
    UnexpectedEvent,
    Uuid,
    present,
    stream_key,
)


class SessionRow(TypedDict):
    """factors: how the person proved who they are. client: what their program calls itself."""

    tenant_id: Uuid
    session_id: Uuid
    user_id: Uuid
    factors: Texts
    client: Text | None
    created_at: Instant
    expires_at: Instant
    ended_at: Instant | None
    end_reason: Text | None
    version: BigInt


def evolve(row: SessionRow | None, event: Decoded, _key: Key) -> SessionRow:
    logged = event.logged
    match event.fact:
        case Session.Created() as fact:
            return {
                "tenant_id": logged.tenant_id,
                "session_id": logged.stream_id,
                "user_id": UUID(fact.user_id),
                "factors": list(fact.factors),
                "client": fact.client,
                "created_at": logged.recorded_at,
                "expires_at": datetime.fromisoformat(fact.expires_at),
                "ended_at": None,
                "end_reason": None,
                "version": logged.version,
            }
        case Session.Ended() as fact:
            return {
                **present(row),
                "ended_at": logged.recorded_at,
                "end_reason": fact.reason,
                "version": logged.version,
            }
        case Session.Erased():
            return {**present(row), "client": None, "version": logged.version}
        case _:
            raise UnexpectedEvent(logged.topic)


SESSIONS = Projection(
    name="sessions",
    version=1,
    row=SessionRow,
    key=("tenant_id", "session_id"),
    stream_column="session_id",
    aggregate=Session,
    events=(Session.Created, Session.Ended, Session.Erased),
    keys=stream_key,
    evolve=evolve,
    own="user_id = (SELECT agentledger.current_person())",
)
