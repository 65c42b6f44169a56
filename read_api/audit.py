"""The audit trail: who asked what, from where, and what came of it."""

import base64
from datetime import datetime
from enum import Enum
from typing import cast
from uuid import UUID

import strawberry

from infra.audit_entries import AuditFilter as Wanted
from infra.audit_entries import instant_of as time_of
from infra.audit_trail import AuditEntry as Stored
from infra.audit_trail import Outcome
from infra.data_keys import PLATFORM
from read_api.connections import Connection, Edge, PageInfo, cursor_id
from read_api.context import ReadInfo
from read_api.limits import PAGE_SIZE_DEFAULT
from read_api.scalars import Instant, instant_of


@strawberry.enum
class AuditOutcome(Enum):
    ALLOWED = strawberry.enum_value("allowed", description="It was done, or read.")
    DENIED = strawberry.enum_value(
        "denied", description="Whoever asked may not do this, is over a limit, or is not known."
    )
    FAILED = strawberry.enum_value("failed", description="It was not valid, or a rule said no.")


@strawberry.input(description="All that is given must hold.")
class AuditFilter:
    actor: str | None = None
    action: str | None = strawberry.field(
        default=None, description="The operation of REST, or the field of GraphQL."
    )
    outcome: AuditOutcome | None = None
    address: str | None = None
    from_: Instant | None = strawberry.field(default=None, name="from", description="Inclusive.")
    to: Instant | None = strawberry.field(default=None, description="Exclusive.")


@strawberry.type(description="Something that was asked of the platform.")
class AuditEntry:
    stored: strawberry.Private[Stored]

    @strawberry.field
    def id(self) -> strawberry.ID:
        return strawberry.ID(str(self.stored.entry_id))

    @strawberry.field
    def at(self) -> Instant:
        return instant_of(time_of(self.stored.entry_id))

    @strawberry.field(description="A user, an API key, a webhook, the operator, or a stranger.")
    def actor(self) -> str:
        return self.stored.actor

    @strawberry.field
    def user_id(self) -> strawberry.ID | None:
        return None if self.stored.user_id is None else strawberry.ID(str(self.stored.user_id))

    @strawberry.field(description="The kind of credential that was shown.")
    def credential(self) -> str:
        return self.stored.credential

    @strawberry.field(description="The operation of REST, or the field of GraphQL.")
    def action(self) -> str:
        return self.stored.action

    @strawberry.field(description="The ids that were asked for.")
    def target(self) -> str | None:
        return self.stored.target

    @strawberry.field
    def outcome(self) -> AuditOutcome:
        return AuditOutcome(self.stored.outcome)

    @strawberry.field(description="Why it was refused.")
    def code(self) -> str | None:
        return self.stored.code

    @strawberry.field(description="More than whoever asked was told.")
    def reason(self) -> str | None:
        return self.stored.reason

    @strawberry.field
    def request_id(self) -> strawberry.ID:
        return strawberry.ID(str(self.stored.request_id))

    @strawberry.field(description="Of the events that it stored.")
    def position(self) -> str | None:
        return self.stored.position

    @strawberry.field(description="How many alike, within a few seconds, this entry stands for.")
    def times(self) -> int:
        return self.stored.times

    @strawberry.field(description="Null when it is unknown or was erased.")
    def address(self) -> str | None:
        return None if self.stored.source is None else self.stored.source.address or None

    @strawberry.field(description="What the client called itself.")
    def user_agent(self) -> str | None:
        return None if self.stored.source is None else self.stored.source.user_agent


async def audit_entries(
    info: ReadInfo,
    filter: AuditFilter | None = None,  # noqa: A002 # its name in the schema
    first: int | None = PAGE_SIZE_DEFAULT,
    after: str | None = None,
) -> Connection[AuditEntry]:
    """A page with an address may be short though there are more: so many were looked at."""
    context = info.context
    page = await context.sources.audit_log.page(
        context.caller.tenant_id or PLATFORM,
        _wanted(filter),
        before=None if after is None else cursor_id(after),
        limit=first or PAGE_SIZE_DEFAULT,
    )
    edges = [
        Edge(cursor=_cursor(entry.entry_id), node=AuditEntry(stored=entry)) for entry in page.items
    ]
    return Connection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=page.next_before is not None,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=_cursor(page.next_before) if page.next_before else _last(edges),
        ),
    )


def _last(edges: list[Edge[AuditEntry]]) -> str | None:
    return edges[-1].cursor if edges else None


def _wanted(asked: AuditFilter | None) -> Wanted:
    if asked is None:
        return Wanted()
    return Wanted(
        actor=asked.actor,
        action=asked.action,
        outcome=None if asked.outcome is None else _outcome(asked.outcome),
        address=asked.address,
        begin=_moment(asked.from_),
        end=_moment(asked.to),
    )


def _outcome(asked: AuditOutcome) -> Outcome:
    return cast("Outcome", asked.value)


def _moment(instant: Instant | None) -> datetime | None:
    return None if instant is None else datetime.fromisoformat(instant)


def _cursor(entry_id: UUID) -> str:
    return base64.urlsafe_b64encode(entry_id.bytes).decode().rstrip("=")
