"""sessions."""

from datetime import UTC, datetime

from domain.sessions import Session
from projections.fold import rows_after
from projections.sessions import SESSIONS
from tests.projections.histories import IDS, at
from tests.projections.identity_histories import a_session


def test_a_session_says_whose_it_is_and_how_long_it_may_last() -> None:
    user_id = IDS.new()
    session = a_session(user_id=str(user_id))
    assert rows_after(SESSIONS, session.events) == [
        {
            "tenant_id": session.tenant_id,
            "session_id": session.stream_id,
            "user_id": user_id,
            "factors": ["password", "totp"],
            "client": "curl/8",
            "created_at": at(1),
            "expires_at": datetime(2026, 2, 1, tzinfo=UTC),
            "ended_at": None,
            "end_reason": None,
            "version": 1,
        }
    ]


def test_a_session_that_was_ended_says_when_and_why() -> None:
    session = a_session().happens(Session.Ended, reason="revoked")
    (row,) = rows_after(SESSIONS, session.events)
    assert (row["ended_at"], row["end_reason"], row["version"]) == (at(2), "revoked", 2)
