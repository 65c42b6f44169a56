"""What may happen to a licence, and to its seats."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.licences import (
    ActivationNotFound,
    Licence,
    LicenceNotBegun,
    LicenceOver,
    LicenceRevoked,
    NoSeatLeft,
    licence_claims,
)
from tests.domain.given import Act, Story

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def day(number: int) -> datetime:
    return NOON + timedelta(days=number)


def a_licence(seats: int = 2, *, starts: int = 0) -> Story[Licence]:
    return Story(
        Licence(
            id=UUID(int=7),
            issuer_name="Rita Resells",
            licensee="Acme",
            product="Suite",
            seats=seats,
            starts_at=day(starts).isoformat(),
            expires_at=day(30).isoformat(),
            issued_at=NOON.isoformat(),
        )
    )


def activate(name: str, instance: str, now: datetime = NOON) -> Act:
    return lambda story: story.aggregate.activate(name, instance, now)


def renew(expires: int, *, seats: int | None = None, now: datetime = NOON) -> Act:
    return lambda story: story.aggregate.renew(seats=seats, expires_at=day(expires), now=now)


def test_seats_are_taken_once_by_each_and_given_back() -> None:
    story = a_licence().when(activate("1", "a")).when(activate("2", "b"))
    story.when(activate("3", "a")).then()
    assert story.answer == "1"
    with pytest.raises(NoSeatLeft):
        activate("3", "c")(story)
    story.when(lambda told: told.aggregate.release("1")).then(
        ("licence.released", {"activation_id": "1"})
    )
    story.when(activate("3", "c")).then_topics("licence.activated")
    with pytest.raises(ActivationNotFound):
        story.aggregate.release("1")


def test_no_seat_is_taken_before_it_begins_after_its_end_or_when_it_is_revoked() -> None:
    with pytest.raises(LicenceNotBegun):
        activate("1", "a")(a_licence(starts=1))
    with pytest.raises(LicenceOver):
        activate("1", "a", day(30))(a_licence())
    story = a_licence().when(lambda told: told.aggregate.revoke("unpaid"))
    with pytest.raises(LicenceRevoked):
        activate("1", "a")(story)


def test_its_end_is_recorded_when_it_has_come_and_a_renewal_opens_it_again() -> None:
    story = a_licence()
    story.when(lambda told: told.aggregate.expire(day(29))).then()
    story.when(lambda told: told.aggregate.expire(day(30))).then_topics("licence.expired")
    assert (story.aggregate.status, story.aggregate.due_at) == ("expired", None)
    story.when(renew(60, now=day(31))).then_topics("licence.renewed")
    assert (story.aggregate.status, story.aggregate.due_at) == ("issued", day(60))


@pytest.mark.parametrize(
    ("expires", "seats", "is_revoked"),
    [(60, None, False), (60, 5, False), (60, 1, True), (20, None, True)],
)
def test_a_document_that_promised_more_is_revoked_when_it_is_replaced(
    expires: int, seats: int | None, is_revoked: bool
) -> None:
    assert a_licence().when(renew(expires, seats=seats)).answer is is_revoked


def test_what_is_revoked_stays_so() -> None:
    story = a_licence().when(lambda told: told.aggregate.revoke("unpaid"))
    story.when(lambda told: told.aggregate.revoke("again")).then()
    with pytest.raises(LicenceRevoked):
        renew(60)(story)


def test_fewer_seats_take_none_away_and_give_no_more() -> None:
    story = a_licence().when(activate("1", "a")).when(activate("2", "b")).when(renew(60, seats=1))
    assert len(story.aggregate.activations) == 2
    story.when(lambda told: told.aggregate.release("1"))
    with pytest.raises(NoSeatLeft):
        activate("3", "c")(story)


def test_a_document_says_all_that_is_promised() -> None:
    claims = licence_claims(a_licence().when(renew(60, seats=9)).aggregate, UUID(int=1))
    assert claims == {
        "iss": str(UUID(int=1)),
        "issuer_name": "Rita Resells",
        "sub": str(UUID(int=7)),
        "licensee": "Acme",
        "product": "Suite",
        "seats": 9,
        "serial": 2,
        "iat": int(NOON.timestamp()),
        "nbf": int(NOON.timestamp()),
        "exp": int(day(60).timestamp()),
    }
