"""credit_grants: what is left of each; credit_entries: the ledger that this is the sum of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from typing_extensions import TypedDict

from domain.credits import CreditAccount, Postings, grants_in
from projections.table import (
    BigInt,
    Decoded,
    Instant,
    Integer,
    JsonText,
    Key,
    Projection,
    Text,
    UnexpectedEvent,
    Uuid,
    instant_or_none,
    json_text,
    present,
)

EVENTS = (
    CreditAccount.Created,
    CreditAccount.Granted,
    CreditAccount.Burned,
    CreditAccount.Restored,
    CreditAccount.Expired,
    CreditAccount.Withdrawn,
)


class CreditGrantRow(TypedDict):
    """Amounts in pico-USD. version: of the account, when this grant was touched last."""

    tenant_id: Uuid
    grant_id: Uuid
    account_id: Uuid
    amount_usd_pico: BigInt
    left_usd_pico: BigInt
    source: Text
    description: Text
    priority: Integer
    effective_at: Instant
    expires_at: Instant | None
    scope: Text | None
    created_at: Instant
    version: BigInt


class CreditEntryRow(TypedDict):
    """entry_id: of the event. amount_usd_pico: what it adds to what the tenant has. postings: what
    it adds to each account, `[account, pico-USD]`.
    """

    tenant_id: Uuid
    entry_id: Uuid
    account_id: Uuid
    kind: Text
    at: Instant
    invoice_id: Text | None
    grant_id: Text | None
    note: Text
    amount_usd_pico: BigInt
    postings: JsonText
    version: BigInt


def grant_keys(event: Decoded) -> Sequence[Key]:
    if isinstance(event.fact, CreditAccount.Created):
        return ()
    touched = grants_in(_postings(event))
    return [(event.logged.tenant_id, event.logged.stream_id, UUID(one)) for one in touched]


def evolve_grant(row: CreditGrantRow | None, event: Decoded, key: Key) -> CreditGrantRow:
    logged, fact = event.logged, event.fact
    added = grants_in(_postings(event))[str(key[2])]
    if isinstance(fact, CreditAccount.Granted):
        return {
            "tenant_id": logged.tenant_id,
            "grant_id": UUID(fact.grant_id),
            "account_id": logged.stream_id,
            "amount_usd_pico": added,
            "left_usd_pico": added,
            "source": fact.source,
            "description": fact.description,
            "priority": fact.priority,
            "effective_at": datetime.fromisoformat(fact.effective_at),
            "expires_at": instant_or_none(fact.expires_at),
            "scope": fact.scope,
            "created_at": logged.recorded_at,
            "version": logged.version,
        }
    known = present(row)
    return {**known, "left_usd_pico": known["left_usd_pico"] + added, "version": logged.version}


def entry_keys(event: Decoded) -> Sequence[Key]:
    if isinstance(event.fact, CreditAccount.Created):
        return ()
    logged = event.logged
    return ((logged.tenant_id, logged.stream_id, logged.event_id),)


def evolve_entry(row: CreditEntryRow | None, event: Decoded, _key: Key) -> CreditEntryRow:
    assert row is None, "each event is an entry of its own"
    logged, fact = event.logged, event.fact
    postings = _postings(event)
    at: Any = fact.effective_at if isinstance(fact, CreditAccount.Granted) else vars(fact)["at"]
    told = vars(fact)
    return {
        "tenant_id": logged.tenant_id,
        "entry_id": logged.event_id,
        "account_id": logged.stream_id,
        "kind": logged.topic.removeprefix(f"{CreditAccount.TOPIC}."),
        "at": datetime.fromisoformat(at),
        "invoice_id": told.get("invoice_id"),
        "grant_id": told.get("grant_id"),
        "note": told.get("reason") or told.get("reference") or told.get("description") or "",
        "amount_usd_pico": sum(grants_in(postings).values()),
        "postings": json_text(postings),
        "version": logged.version,
    }


def _postings(event: Decoded) -> Postings:
    match event.fact:
        case (
            CreditAccount.Granted()
            | CreditAccount.Burned()
            | CreditAccount.Restored()
            | CreditAccount.Expired()
            | CreditAccount.Withdrawn()
        ) as fact:
            return fact.postings
        case _:
            raise UnexpectedEvent(event.logged.topic)


CREDIT_GRANTS = Projection(
    name="credit_grants",
    version=1,
    row=CreditGrantRow,
    key=("tenant_id", "account_id", "grant_id"),
    stream_column="account_id",
    aggregate=CreditAccount,
    events=EVENTS,
    keys=grant_keys,
    evolve=evolve_grant,
    # What the tenant pays is told to who may read all of it.
    own="false",
    indexes=(("tenant_id", "grant_id"),),
)
CREDIT_ENTRIES = Projection(
    name="credit_entries",
    version=1,
    row=CreditEntryRow,
    key=("tenant_id", "account_id", "entry_id"),
    stream_column="account_id",
    aggregate=CreditAccount,
    events=EVENTS,
    keys=entry_keys,
    evolve=evolve_entry,
    own="false",
    indexes=(("tenant_id", "entry_id"),),
)
