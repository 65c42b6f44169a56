"""With whom workflows and agents are shared: told to the owner, and to everybody of themselves."""

from typing import LiteralString

import strawberry

from read_api.columns import Relation, column
from read_api.scalars import Instant

SHARES_MAX: LiteralString = "100"
TOLD = "Those that hold; to who is not the owner, only those with themselves."


def shares_of(outer: LiteralString, key: LiteralString) -> Relation:
    """Of a workflow or an agent."""
    return Relation(
        outer=outer,
        key=key,
        alias="s",
        rows="shares_v1 AS s WHERE s.shared_id = " + outer + "." + key + " AND NOT s.is_ended",
        order="s.created_at, s.share_id",
        count_max=SHARES_MAX,
    )


@strawberry.type(description="That a workflow or an agent is shared with somebody.")
class Share:
    id: strawberry.ID = column("s.share_id")
    user_id: strawberry.ID | None = column("s.user_id", "With whom; null: with a role.")
    role: str | None = column("s.role", "With all who have it; null: with one user.")
    access: str = column("s.access", "view: it and its runs. execute: it, to run it.")
    created_at: Instant = column("s.created_at")
    created_by: str | None = column("s.created_by")
