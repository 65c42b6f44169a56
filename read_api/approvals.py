"""What waits for a person to decide: for the caller, or for anybody."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import orjson
import strawberry

from infra.authentication import Caller, holds
from read_api.arguments import MinPosition
from read_api.columns import Relation
from read_api.connections import Connection, Edge, connection
from read_api.context import ReadInfo
from read_api.errors import refuse
from read_api.executions import Execution
from read_api.limits import PAGE_SIZE_DEFAULT, ReadLimits
from read_api.scalars import Instant, Json

DECIDE = "approvals:decide"
RUN = Relation(
    outer="n",
    key="execution_id",
    alias="e",
    rows="executions_v5 AS e WHERE e.execution_id = n.execution_id",
)
# fmt: off
# As commands/approvals.py decides it: who was asked, or, where nobody in particular was, who may
# decide about every run, or began this one.
NAMES: LiteralString = "ARRAY(SELECT jsonb_array_elements_text($1->'names'))"
IS_FOR_ME: LiteralString = (
    "(($1->>'mayDecide')::boolean AND (coalesce(n.assignees && " + NAMES + ", false)"
    " OR (n.assignees IS NULL AND (($1->>'mayDecideAll')::boolean"
    "  OR EXISTS (SELECT FROM executions_v5 AS e WHERE e.execution_id = n.execution_id"
    "   AND (e.created_by = ANY (" + NAMES + ") OR e.created_by = ANY (own_actors())))))))"
)
# The request comes whole: PostgreSQL does not take JSON apart that has a NUL in it.
APPROVALS: LiteralString = (
    "SELECT json_agg(json_build_object('execution_id', n.execution_id, 'path', n.path,"
    "  'asked_at', n.asked_at, 'deadline_at', n.wake_at, 'assignees', n.assignees,"
    "  'is_for_me', n.is_for_me, 'request', n.input)"
    "  ORDER BY n.asked_at DESC, n.execution_id DESC, n.path DESC)"
    " FROM (SELECT n.*, " + IS_FOR_ME + " AS is_for_me FROM node_runs_v4 AS n"
    "  WHERE n.asked_at IS NOT NULL"
    "  AND (NOT ($1->>'forMe')::boolean OR " + IS_FOR_ME + ")"
    "  AND ($1->'after'->>0 IS NULL OR (n.asked_at, n.execution_id, n.path)"
    "   < (($1->'after'->>0)::timestamptz, ($1->'after'->>1)::uuid, $1->'after'->>2))"
    "  ORDER BY n.asked_at DESC, n.execution_id DESC, n.path DESC"
    "  LIMIT ($1->>'first')::integer + 1) AS n"
)
# fmt: on


@strawberry.type(description="A node of an execution that waits for a person to decide.")
class Approval:
    execution_id: strawberry.ID
    path: str = strawberry.field(description="Of the node; decide by POST .../approvals/{path}.")
    title: str
    form_schema: Json | None = strawberry.field(
        description="JSON Schema of the edits that come with a decision."
    )
    assignees: list[str] = strawberry.field(
        description="Who was asked, as user:<id> or api_key:<id>; empty: whoever may decide."
    )
    asked_at: Instant
    deadline_at: Instant | None
    on_timeout: str = strawberry.field(description="approve | reject | fail, at the deadline.")
    is_for_me: bool = strawberry.field(description="Whether the caller may decide it.")

    @strawberry.field(description="null for who was asked to decide and sees nothing else of it.")
    async def execution(self, info: ReadInfo) -> Execution | None:
        row = await info.context.related(RUN, "Execution", self.execution_id)
        return None if row is None else Execution(**row)


async def approvals(
    info: ReadInfo,
    *,
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
    for_me: bool | None = True,
    _min_position: MinPosition = None,
) -> Connection[Approval]:
    size = first or PAGE_SIZE_DEFAULT
    place = None if after is None else [*place_in(after)]
    asked = {**_who(info.context.caller), "forMe": for_me is not False, "first": size}
    rows: list[dict[str, Any]] = (
        await info.context.loaded(APPROVALS, {**asked, "after": place}) or []
    )
    edges = [Edge(cursor=_cursor_of(row), node=_approval(**row)) for row in rows]
    return connection(edges, size=size, is_after=after is not None)


def check_approvals(arguments: Mapping[str, Any], _limits: ReadLimits) -> None:
    """Raises RequestRefused."""
    if arguments.get("after") is not None:
        place_in(arguments["after"])


def place_in(cursor: str) -> tuple[str, str, str]:
    """(asked_at, execution_id, path). Raises RequestRefused."""
    try:
        asked_at, execution_id, path = map(
            str, orjson.loads(base64.urlsafe_b64decode(cursor + "=="))
        )
        moment = datetime.fromisoformat(asked_at)
        place = moment.isoformat(), str(UUID(execution_id)), path
    except (binascii.Error, ValueError, TypeError):
        raise _no_cursor() from None
    if moment.tzinfo is None or "\x00" in path:
        raise _no_cursor()
    return place


def _who(caller: Caller) -> dict[str, object]:
    """The names by which the caller may have been asked; a key acts for the person who made it."""
    person = [] if caller.user_id is None else [f"user:{caller.user_id}"]
    may_decide = holds(caller, DECIDE)
    return {
        "names": [caller.actor, *person],
        "mayDecide": may_decide,
        "mayDecideAll": may_decide and DECIDE not in caller.own_only,
    }


def _cursor_of(row: Mapping[str, Any]) -> str:
    place = orjson.dumps([row["asked_at"], row["execution_id"], row["path"]])
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def _approval(
    *, request: dict[str, Any], assignees: list[str] | None, path: str, **row: Any
) -> Approval:
    return Approval(
        path=path,
        title=str(request.get("title") or path),
        form_schema=request.get("form_schema"),
        assignees=assignees or [],
        on_timeout=str(request.get("on_timeout") or "fail"),
        **row,
    )


def _no_cursor() -> Exception:
    return refuse("bad_cursor", "`after` is not a cursor of this list.")
