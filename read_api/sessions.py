"""Where people are logged in: one's own sessions, and everybody's for who may read all."""

import strawberry

from read_api.arguments import MinPosition
from read_api.columns import column
from read_api.connections import Connection, Listing, read_page
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant

SESSIONS = Listing("Session", "s", "sessions_v1 AS s", "session_id")


@strawberry.type(description="A person logged in on one device, from the login to the logout.")
class Session:
    id: strawberry.ID = column("s.session_id")
    user_id: strawberry.ID = column("s.user_id")
    factors: list[str] = column(
        "to_json(s.factors)", "How the person proved who they are, e.g. `password`, `totp`."
    )
    client: str | None = column("s.client", "What their program called itself.")
    created_at: Instant = column("s.created_at")
    expires_at: Instant = column("s.expires_at", "No refresh goes beyond it.")
    ended_at: Instant | None = column("s.ended_at", "None also when it ran out by itself.")
    end_reason: str | None = column(
        "s.end_reason", "`logged_out`, `revoked`, `password_changed` or `token_reused`."
    )


async def sessions(
    info: ReadInfo,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    _min_position: MinPosition = None,
) -> Connection[Session]:
    return await read_page(info, SESSIONS, Session, first=first, after=after)
