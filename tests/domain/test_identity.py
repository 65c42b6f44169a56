"""Users: invited, accepted, given roles, deactivated and back."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.identity import AlreadyAccepted, InvitationOver, NotAccepted, User

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
TOMORROW = NOON + timedelta(days=1)


def somebody() -> User:
    return User(id=UUID(int=1), email="ada@example.com", role="USER", name=None)


def invited() -> User:
    user = somebody()
    user.invite(TOMORROW)
    return user


def accepted() -> User:
    user = invited()
    user.accept(NOON)
    return user


def topics(user: User) -> list[str]:
    return [event.TOPIC.removeprefix("user.") for event in user.collect_events()]  # pyright: ignore[reportAttributeAccessIssue] # every event has one


def test_who_was_invited_is_active_once_they_accept() -> None:
    user = invited()
    assert (user.status, user.is_active) == ("INVITED", False)
    user.accept(NOON)
    assert (user.status, user.is_active) == ("ACTIVE", True)
    assert topics(user) == ["created", "invited", "accepted"]


def test_an_invitation_is_accepted_once_and_in_time() -> None:
    with pytest.raises(InvitationOver):
        accepted().accept(NOON)
    with pytest.raises(InvitationOver):
        invited().accept(TOMORROW)
    with pytest.raises(InvitationOver):
        somebody().accept(NOON)


def test_an_invitation_can_be_sent_again_until_it_is_accepted() -> None:
    user = invited()
    user.invite(TOMORROW + timedelta(days=1))
    user.accept(TOMORROW)
    with pytest.raises(AlreadyAccepted):
        user.invite(TOMORROW)


def test_an_invitation_that_was_taken_back_cannot_be_accepted() -> None:
    user = invited()
    user.deactivate()
    with pytest.raises(InvitationOver):
        user.accept(NOON)
    with pytest.raises(NotAccepted):
        user.reactivate()
    user.invite(TOMORROW)
    user.accept(NOON)
    assert user.is_active


def test_who_was_deactivated_can_come_back() -> None:
    user = accepted()
    user.deactivate()
    user.deactivate()
    assert not user.is_active
    user.reactivate()
    user.reactivate()
    assert user.is_active
    assert topics(user)[3:] == ["deactivated", "reactivated"]


def test_changing_nothing_records_nothing() -> None:
    user = somebody()
    user.give_role("USER")
    user.rename(None)
    assert topics(user) == ["created"]
    user.give_role("VIEWER")
    user.rename("Ada")
    assert (user.role, user.name) == ("VIEWER", "Ada")
    assert topics(user) == ["role_changed", "profile_changed"]


@pytest.mark.parametrize(("role", "is_administrator"), [("ADMIN", True), ("USER", False)])
def test_an_active_admin_administrates(role: str, *, is_administrator: bool) -> None:
    user = accepted()
    user.give_role(role)
    assert user.is_administrator is is_administrator
    user.deactivate()
    assert not user.is_administrator
