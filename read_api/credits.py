"""Credits of the caller's tenant: what it has, from which grants, and the ledger behind it."""

from typing import LiteralString

import strawberry

from read_api.arguments import MinPosition
from read_api.columns import column, money
from read_api.connections import Connection, Listing, read_page, read_row
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant, Json

GRANTS = Listing("CreditGrant", "cg", "credit_grants_v1 AS cg", "grant_id")
ENTRIES = Listing("CreditEntry", "ce", "credit_entries_v1 AS ce", "entry_id")

# What is planned for later, or is over, is no balance.
COUNTS: LiteralString = (
    "effective_at <= clock_timestamp() AND coalesce(expires_at > clock_timestamp(), true)"
)
SUMS: LiteralString = (
    " FROM (SELECT coalesce(sum(left_usd_pico), 0) AS left_usd_pico,"
    " coalesce(sum(left_usd_pico) FILTER (WHERE " + COUNTS + "), 0) AS available_usd_pico"
    " FROM credit_grants_v1) AS cs"
)
# As text: a million USD are more pico-USD than a number of JavaScript holds.
POSTINGS: LiteralString = (
    "(SELECT json_agg(json_build_array(p.told ->> 0, "
    + money("(p.told ->> 1)::numeric")
    + ") ORDER BY p.place) FROM json_array_elements(ce.postings::json)"
    " WITH ORDINALITY AS p(told, place))"
)


@strawberry.type(description="What the tenant has been given and not yet used.")
class Credits:
    balance_usd: str = column(money("cs.left_usd_pico"), "What is left of all grants.")
    available_usd: str = column(
        money("cs.available_usd_pico"), "What an invoice could use at this moment."
    )


@strawberry.type(description="Credits that were given at one time.")
class CreditGrant:
    id: strawberry.ID = column("cg.grant_id")
    amount_usd: str = column(money("cg.amount_usd_pico"))
    left_usd: str = column(money("cg.left_usd_pico"))
    source: str = column("cg.source", "promotional, purchased or included.")
    description: str = column("cg.description")
    priority: int = column("cg.priority", "The lowest burns first.")
    effective_at: Instant = column("cg.effective_at")
    expires_at: Instant | None = column("cg.expires_at")
    scope: str | None = column("cg.scope", "usage: pays only for usage. Null: for everything.")
    created_at: Instant = column("cg.created_at")


@strawberry.type(description="An entry of the ledger; what it adds to accounts sums to zero.")
class CreditEntry:
    id: strawberry.ID = column("ce.entry_id", "Of the event that it is.")
    kind: str = column("ce.kind", "granted, burned, restored, expired or withdrawn.")
    at: Instant = column("ce.at")
    amount_usd: str = column(
        money("ce.amount_usd_pico"), "What it adds to what the tenant has; negative takes."
    )
    invoice_id: strawberry.ID | None = column("ce.invoice_id")
    grant_id: strawberry.ID | None = column("ce.grant_id")
    note: str = column("ce.note")
    postings: Json = column(POSTINGS, "`[account, USD]` for each account.")


async def credits_of_tenant(info: ReadInfo, _min_position: MinPosition = None) -> Credits:
    found = await read_row(info, "Credits", SUMS, {}, make=Credits)
    assert found is not None, "a sum is one row"
    return found


async def credit_grants(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[CreditGrant]:
    return await read_page(info, GRANTS, CreditGrant, first=first, after=after)


async def credit_entries(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[CreditEntry]:
    return await read_page(info, ENTRIES, CreditEntry, first=first, after=after)
