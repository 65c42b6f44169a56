"""licences and licence_activations."""

from datetime import UTC, datetime

from domain.licences import Licence
from projections.fold import rows_after
from projections.licences import LICENCE_ACTIVATIONS, LICENCES
from tests.projections.billing_histories import a_licence
from tests.projections.histories import at


def test_a_licence_tells_what_was_promised_and_how_many_seats_are_taken() -> None:
    stream = a_licence()
    assert rows_after(LICENCES, stream.events) == [
        {
            "tenant_id": stream.tenant_id,
            "licence_id": stream.stream_id,
            "licensee": "Acme",
            "product": "Suite",
            "seats": 5,
            "seats_used": 1,
            "serial": 1,
            "status": "issued",
            "reason": "",
            "starts_at": datetime(2026, 1, 1, tzinfo=UTC),
            "expires_at": datetime(2027, 1, 1, tzinfo=UTC),
            "created_at": at(1),
            "created_by": "user:ada",
            "updated_at": at(4),
            "version": 4,
        }
    ]


def test_it_expires_is_renewed_and_revoked() -> None:
    stream = a_licence().happens(Licence.Expired, at="2027-01-01T00:00:00+00:00")
    assert rows_after(LICENCES, stream.events)[0]["status"] == "expired"
    later = {"expires_at": "2028-01-01T00:00:00+00:00", "issued_at": "2027-01-02T00:00:00+00:00"}
    (row,) = rows_after(
        LICENCES, stream.happens(Licence.Renewed, serial=2, seats=9, **later).events
    )
    assert (row["status"], row["serial"], row["seats"]) == ("issued", 2, 9)
    (row,) = rows_after(LICENCES, stream.happens(Licence.Revoked, reason="unpaid").events)
    assert (row["status"], row["reason"]) == ("revoked", "unpaid")


def test_each_seat_says_what_has_it_and_when_it_was_given_back() -> None:
    rows = rows_after(LICENCE_ACTIVATIONS, a_licence().events)
    assert sorted((row["instance"], row["released_at"]) for row in rows) == [
        ("host-1", None),
        ("host-2", at(4)),
    ]
