"""A session lives until it is ended or its time is over."""

from datetime import timedelta
from uuid import UUID

from domain.sessions import Session
from tests.commands.fakes import NOON


def a_session() -> Session:
    ends = (NOON + timedelta(days=1)).isoformat()
    return Session(
        id=UUID(int=1), user_id="ada", factors=["password"], client=None, expires_at=ends
    )


def test_it_lives_until_its_time_is_over() -> None:
    session = a_session()
    assert session.is_alive(NOON)
    assert not session.is_alive(NOON + timedelta(days=1))


def test_it_ends_once_for_the_first_reason() -> None:
    session = a_session()
    session.end("token_reused")
    session.end("logged_out")
    assert session.end_reason == "token_reused"
    assert not session.is_alive(NOON)
    assert len(session.pending_events) == 2
