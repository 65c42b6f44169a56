"""Licences that the caller's tenant has issued, and who has their seats."""

from typing import LiteralString

import strawberry

from read_api.arguments import MinPosition
from read_api.columns import Relation, column, relation
from read_api.connections import Connection, Listing, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant

LISTING = Listing("Licence", "l", "licences_v1 AS l", "licence_id")
SEATS_SHOWN_MAX: LiteralString = "200"
ACTIVATIONS = Relation(
    outer="l",
    key="licence_id",
    alias="a",
    rows=(
        "licence_activations_v1 AS a WHERE a.licence_id = l.licence_id AND a.released_at IS NULL"
    ),
    order="a.activation_id DESC",
    count_max=SEATS_SHOWN_MAX,
)


@strawberry.type(description="A seat of a licence that is taken.")
class LicenceActivation:
    id: strawberry.ID = column("a.activation_id")
    instance: str = column("a.instance", "What has the seat.")
    activated_at: Instant = column("a.activated_at")


@strawberry.type(description="What was promised to a customer of a reseller.")
class Licence:
    id: strawberry.ID = column("l.licence_id")
    licensee: str = column("l.licensee")
    product: str = column("l.product")
    seats: int = column("l.seats")
    seats_used: int = column("l.seats_used")
    serial: int = column("l.serial", "Of the newest document.")
    status: str = column("l.status", "issued, expired or revoked.")
    reason: str = column("l.reason", "Why it was revoked.")
    starts_at: Instant = column("l.starts_at")
    expires_at: Instant = column("l.expires_at")
    created_at: Instant = column("l.created_at")
    created_by: str | None = column("l.created_by")
    version: int = column("l.version", "For If-Match.")

    @relation(ACTIVATIONS, "The newest seats that are taken.")
    async def activations(self, info: ReadInfo) -> list[LicenceActivation]:
        rows = await info.context.related(ACTIVATIONS, "LicenceActivation", self.id)
        return [LicenceActivation(**row) for row in rows]


async def licences(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[Licence]:
    return await read_page(info, LISTING, Licence, first=first, after=after)
