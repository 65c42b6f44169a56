"""What the events of an append move on the counters of budgets, as the statement of the append
takes it (infra/migrations/0061_budgets.sql). It follows from the events alone, so no way of
appending them goes past it.

    execution.node_started, embedding_call.created with `reserved`   reserve
    the outcome of such an attempt                                   settles
    execution.usage_resolved, embedding_call.usage_resolved          settle
    usage_event.created with `counters`                              counts
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, cast
from uuid import UUID

import orjson
from psycopg import DatabaseError

from commands.budget_port import BudgetExceeded, KnownBudgets
from commands.ports import SideRow
from domain.aggregates import Aggregate
from domain.budget_rules import NO_PERIOD, NO_RUN, Counter, counters_from
from domain.embedding_calls import ATTEMPT, EmbeddingCall
from domain.executions import Execution
from domain.identifiers import Json, JsonObject, TenantId
from domain.reservations import Standing
from domain.usage_events import UsageEvent
from infra.crash_points import reach

EXCEEDED_SQLSTATE = "ALB01"
CHANGED_SQLSTATE = "ALB02"
NOT_HELD_SQLSTATE = "ALB03"
TOLD_SQLSTATE = "ALB04"

_NO_RUN, _NO_PERIOD = str(NO_RUN), NO_PERIOD.isoformat()

# As the statement has it. Ids are no text yet: who writes the JSON writes them faster.
Row: TypeAlias = dict[str, Json | UUID]
Kind: TypeAlias = Literal["reserve", "settle", "count", "exhaust"]


@dataclass(slots=True)
class BudgetMoves:
    """revision: None when nothing depends on what is known. rows: as the statement has them,
    without the place of the append.
    """

    tenant_id: TenantId
    revision: int | None = None
    rows: dict[Kind, list[Row]] = field(default_factory=lambda: {})

    def add(self, kind: Kind, row: Row) -> None:
        alike = self.rows.get(kind)
        if alike is None:
            self.rows[kind] = [row]
        else:
            alike.append(row)

    def __enter__(self) -> None:
        """Around the append."""
        if "reserve" in self.rows:
            reach("budgets.before_reserve")
        if "settle" in self.rows:
            reach("budgets.before_settle")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and "reserve" in self.rows:
            reach("budgets.after_reserve")
        if kind is None and "settle" in self.rows:
            reach("budgets.after_settle")

    @property
    def only_known(self) -> bool:
        return not self.rows


def known_in(side_rows: Iterable[SideRow]) -> KnownBudgets | None:
    for row in side_rows:
        if isinstance(row, KnownBudgets):
            return row
    return None


def budget_moves(
    tenant_id: TenantId, aggregates: Iterable[Aggregate], known: KnownBudgets | None
) -> BudgetMoves | None:
    """Before the pending events are collected. None: nothing to do with budgets."""
    moves: BudgetMoves | None = None
    if known is not None:
        moves = BudgetMoves(tenant_id, known.revision)
        for counter in known.exhausted:
            moves.add("exhaust", _at(tenant_id, counter))
    for aggregate in aggregates:
        if isinstance(aggregate, Execution):
            if aggregate.is_budgeted:
                moves = moves or BudgetMoves(tenant_id)
                _add_run(moves, aggregate, {} if known is None else known.caps)
        elif isinstance(aggregate, EmbeddingCall):
            if aggregate.is_budgeted:
                moves = moves or BudgetMoves(tenant_id)
                _add_embedding(moves, aggregate)
        elif isinstance(aggregate, UsageEvent):
            moves = moves or BudgetMoves(tenant_id)
            _add_usage_event(moves, aggregate)
    return moves if moves is not None and (known is not None or not moves.only_known) else None


def _add_run(moves: BudgetMoves, execution: Execution, caps: Mapping[str, int]) -> None:
    tenant, run = moves.tenant_id, execution.id
    for event in execution.pending_events:
        match event:
            case Execution.NodeStarted():
                if event.reserved is None:
                    continue
                amount = event.reserved["usd_pico"]
                told = cast("list[tuple[str, str | None, str | None]]", event.reserved["counters"])
                for budget_id, run_id, period_start in told:
                    one: Row = {
                        "tenant": tenant,
                        "execution": run,
                        "path": event.path,
                        "attempt": event.attempt,
                        "budget": budget_id,
                        "run": run_id or _NO_RUN,
                        "period": period_start or _NO_PERIOD,
                        "amount": amount,
                    }
                    if budget_id in caps:
                        one["cap"] = caps[budget_id]
                    moves.add("reserve", one)
            case Execution.NodeCompleted() | Execution.NodeFailed() | Execution.UsageResolved():
                if not is_unknown(event):
                    moves.add("settle", _settled(tenant, run, event))
            case _:
                pass


def _add_usage_event(moves: BudgetMoves, sent: UsageEvent) -> None:
    """It has happened when it is told, so that nothing is reserved for it."""
    for event in sent.pending_events:
        if isinstance(event, UsageEvent.Created):
            cost = cost_of_lines(event.usage)
            for counter in counters_from(event.counters):
                moves.add("count", {**_at(moves.tenant_id, counter), "cost": cost})


def _add_embedding(moves: BudgetMoves, call: EmbeddingCall) -> None:
    for event in call.pending_events:
        match event:
            case EmbeddingCall.Created() if event.reserved is not None:
                for counter in counters_from(cast("list[Json]", event.reserved["counters"])):
                    moves.add(
                        "reserve",
                        {
                            **_at(moves.tenant_id, counter),
                            "execution": call.id,
                            "path": event.purpose,
                            "attempt": ATTEMPT,
                            "amount": event.reserved["usd_pico"],
                        },
                    )
            case EmbeddingCall.Completed() | EmbeddingCall.Failed() | EmbeddingCall.UsageResolved():
                moves.add("settle", _settled(moves.tenant_id, call.id, event))
            case _:
                pass


_Outcome: TypeAlias = (
    Execution.NodeCompleted
    | Execution.NodeFailed
    | Execution.UsageResolved
    | EmbeddingCall.Completed
    | EmbeddingCall.Failed
    | EmbeddingCall.UsageResolved
)


def _settled(tenant: UUID, stream: UUID, event: _Outcome) -> Row:
    return {
        "tenant": tenant,
        "execution": stream,
        "path": event.path,
        "attempt": event.attempt,
        "cost": event.cost_usd_pico,
    }


def is_unknown(
    event: Execution.NodeCompleted | Execution.NodeFailed | Execution.UsageResolved,
) -> bool:
    """Whether nobody knows what the attempt was billed: it goes on to hold what it holds."""
    return event.cost_usd_pico is None and event.usage is None


def cost_of_lines(usage: JsonObject) -> int:
    """What has no price counts as nothing here, and is shown as unpriced where usage is shown."""
    lines = cast("list[list[Any]]", usage["lines"])
    return sum(line[2] for line in lines if line[2] is not None)


def moves_document(batch: Sequence[BudgetMoves | None]) -> bytes:
    """The parameter of the statement for appends in their order."""
    # By the number of the tenant: to hash a UUID is a function of Python's.
    known: dict[tuple[int, int], TenantId] = {}
    document: dict[str, list[Row]] = {}
    for place, moves in enumerate(batch):
        if moves is None:
            continue
        if moves.revision is not None:
            known[moves.tenant_id.int, moves.revision] = moves.tenant_id
        for kind, rows in moves.rows.items():
            if kind == "reserve":
                for one in rows:
                    one["place"] = place  # In this batch: when it is tried again, in another.
            document.setdefault(kind, []).extend(rows)
    told: list[Row] = [
        {"tenant": tenant_id, "revision": revision} for (_, revision), tenant_id in known.items()
    ]
    return orjson.dumps({"known": told, **document} if document else told)


def exceeded(error: DatabaseError) -> dict[int, BudgetExceeded]:
    """By the place of the append that would have spent too much."""
    found: dict[int, dict[Counter, Standing]] = {}
    for one in cast("list[Any]", orjson.loads(error.diag.message_detail or "[]")):
        standings = found.setdefault(one["place"], {})
        for told in one["budgets"]:
            standings[counter_told(told)] = Standing(
                int(told["allowed"]), int(told["spent"]), int(told["reserved"])
            )
    return {place: BudgetExceeded(standings) for place, standings in found.items()}


def changed_tenants(error: DatabaseError) -> frozenset[str]:
    return frozenset(cast("list[str]", orjson.loads(error.diag.message_detail or "[]")))


def counter_told(told: Mapping[str, Any]) -> Counter:
    """Of {budget, run, period} as the database has them."""
    run, period = str(told["run"]), str(told["period"])
    return Counter(
        str(told["budget"]),
        None if run == _NO_RUN else run,
        None if _is_no_period(period) else _same_form(period),
    )


def _is_no_period(period: str) -> bool:
    return _same_form(period) == _NO_PERIOD


def _same_form(period: str) -> str:
    """As domain/budget_rules.py writes an instant, whatever zone the database tells it in."""
    return datetime.fromisoformat(period).astimezone(UTC).isoformat()


def _at(tenant_id: TenantId, counter: Counter) -> Row:
    return {
        "tenant": tenant_id,
        "budget": counter.budget_id,
        "run": counter.run_id or _NO_RUN,
        "period": counter.period_start or _NO_PERIOD,
    }
