"""credit_grants and credit_entries."""

import orjson

from projections.credits import CREDIT_ENTRIES, CREDIT_GRANTS
from projections.fold import rows_after
from tests.projections.billing_histories import a_credit_account

USD = 10**12


def test_what_is_left_of_each_grant_is_the_sum_of_its_entries() -> None:
    rows = rows_after(CREDIT_GRANTS, a_credit_account().events)
    told = sorted((row["amount_usd_pico"], row["left_usd_pico"]) for row in rows)
    assert told == [(10 * USD, 0), (25 * USD, 25 * USD)]


def test_each_event_is_an_entry_of_the_ledger_and_adds_up_to_what_is_left() -> None:
    stream = a_credit_account()
    rows = sorted(
        rows_after(CREDIT_ENTRIES, stream.events), key=lambda row: int(str(row["version"]))
    )
    assert [
        (row["kind"], int(str(row["amount_usd_pico"])) // USD, row["note"]) for row in rows
    ] == [
        ("granted", 25, "welcome"),
        ("granted", 10, "welcome"),
        ("burned", -5, ""),
        ("restored", 5, "void"),
        ("expired", -10, ""),
    ]
    assert [row["entry_id"] for row in rows] == [event.event_id for event in stream.events[1:]]
    postings = [orjson.loads(str(row["postings"])) for row in rows]
    assert [sum(amount for _, amount in entry) for entry in postings] == [0] * 5
