"""Budget: how much may be spent in a period by a tenant, a person, a key, an agent, a workflow or a
run. What was spent and is reserved is counted beside the log, in the transaction of the events that
say so (infra/migrations/0061_budgets.sql); here is what holds, and what was told of it.

    hard   a call that might cost more than is left is not made
    soft   only told about
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Literal, TypeAlias
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.budget_rules import Mode
from domain.errors import Forbidden, NotFound, Refused

BUDGETS_MAX = 50
# So many more for who manages the tenant, whatever it has itself.
MANAGED_BUDGETS_MAX = 10
NOTIFY_AT_MAX = 10
WINDOW_DAYS_MAX = 366
LIMIT_USD_MAX = 1_000_000

# What becomes of a call whose price nobody knows, under a hard budget.
Unpriced: TypeAlias = Literal["refuse", "allow"]
# Who alone may change a budget: the tenant itself, or who manages it.
Keeper: TypeAlias = Literal["tenant", "reseller", "operator"]


class BudgetNotFound(NotFound):
    """There is no such budget."""


class BudgetKept(Forbidden):
    """Somebody else keeps this budget: who manages the tenant."""

    code = "budget_kept"


class NothingHeld(Refused):
    """This attempt holds nothing of this budget."""

    code = "nothing_held"


class _Told(Aggregate.Event):
    """What was found as it was counted."""

    def apply(self, aggregate: "Budget") -> None:
        aggregate.note_told(self.timestamp.date())


class Budget(Aggregate):
    TOPIC = "budget"

    class Created(Aggregate.Created):
        """scope_id: None is the tenant, or every run. window_s: of a rolling period. notify_at:
        parts of the limit, as decimal strings. time_zone: where days and months begin. keeper: who
        alone may change it.
        """

        TOPIC = "budget.created"
        class_version = 2
        scope_type: str
        scope_id: str | None
        period: str
        window_s: int | None
        time_zone: str
        limit_usd_pico: int
        mode: str
        notify_at: list[str]
        unpriced: str
        keeper: str

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """Only tenants themselves had any."""
            state["keeper"] = "tenant"

    class Revised(Aggregate.Event):
        """All that can be revised."""

        TOPIC = "budget.revised"
        limit_usd_pico: int
        mode: str
        notify_at: list[str]
        unpriced: str

    class Deleted(Aggregate.Event):
        TOPIC = "budget.deleted"

    class ThresholdReached(_Told):
        """Once for each threshold and period. run_id, period_start: which of its counters."""

        TOPIC = "budget.threshold_reached"
        run_id: str | None
        period_start: str | None
        threshold: str
        spent_usd_pico: int
        limit_usd_pico: int

    class Exhausted(_Told):
        """A call was refused, the first of this period."""

        TOPIC = "budget.exhausted"
        run_id: str | None
        period_start: str | None
        spent_usd_pico: int
        limit_usd_pico: int

    class Overshot(_Told):
        """A provider billed more than a call had reserved, though it was told a limit."""

        TOPIC = "budget.overshot"
        run_id: str | None
        period_start: str | None
        execution_id: str
        path: str
        attempt: int
        reserved_usd_pico: int
        cost_usd_pico: int

    class HoldReleased(Aggregate.Event):
        """Somebody decided that an attempt of which nobody knows what it used is not to hold
        anything of this budget any more. What it turns out to cost counts all the same.
        """

        TOPIC = "budget.hold_released"
        execution_id: str
        path: str
        attempt: int

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        scope_type: str,
        scope_id: str | None,
        period: str,
        window_s: int | None,
        time_zone: str,
        limit_usd_pico: int,
        mode: Mode,
        notify_at: list[str],
        unpriced: Unpriced,
        keeper: Keeper,
    ) -> None:
        self.scope_type = scope_type
        self.scope_id = scope_id
        self.period = period
        self.window_s = window_s
        self.time_zone = time_zone
        self.limit_usd_pico = limit_usd_pico
        self.mode: Mode = mode
        self.notify_at = notify_at
        self.unpriced: Unpriced = unpriced
        self.keeper: Keeper = keeper
        self.is_deleted = False
        # On the last day (UTC) on which something was told, and how often.
        self.told_day: date | None = None
        self.told_count = 0

    def revise(
        self,
        *,
        limit_usd_pico: int | None = None,
        mode: Mode | None = None,
        notify_at: Sequence[str] | None = None,
        unpriced: Unpriced | None = None,
    ) -> None:
        """None leaves as it is; changing nothing records nothing."""
        self.require_present()
        changed = (
            self.limit_usd_pico if limit_usd_pico is None else limit_usd_pico,
            mode or self.mode,
            self.notify_at if notify_at is None else thresholds(notify_at),
            unpriced or self.unpriced,
        )
        if changed != (self.limit_usd_pico, self.mode, self.notify_at, self.unpriced):
            self._revised(*changed)

    def delete(self) -> None:
        self.require_present()
        self._deleted()

    def release(self, execution_id: str, path: str, attempt: int) -> None:
        self.require_present()
        self._hold_released(execution_id, path, attempt)

    def require_present(self) -> None:
        """Raises BudgetNotFound once the budget was deleted."""
        if self.is_deleted:
            raise BudgetNotFound(budget_id=str(self.id))

    def note_told(self, day: date) -> None:
        """Called by the events that tell something."""
        self.told_count = self.told_count + 1 if day == self.told_day else 1
        self.told_day = day

    @event(Revised)
    def _revised(
        self, limit_usd_pico: int, mode: Mode, notify_at: list[str], unpriced: Unpriced
    ) -> None:
        self.limit_usd_pico = limit_usd_pico
        self.mode = mode
        self.notify_at = notify_at
        self.unpriced = unpriced

    @event(Deleted)
    def _deleted(self) -> None:
        self.is_deleted = True

    @event(HoldReleased)
    def _hold_released(self, execution_id: str, path: str, attempt: int) -> None:
        """Nothing is decided from it here."""

    @event(ThresholdReached)
    def tell_threshold(
        self,
        *,
        run_id: str | None,
        period_start: str | None,
        threshold: str,
        spent_usd_pico: int,
        limit_usd_pico: int,
    ) -> None:
        """That it is told once is held to by the row that says that it is due."""

    @event(Exhausted)
    def tell_exhausted(
        self,
        *,
        run_id: str | None,
        period_start: str | None,
        spent_usd_pico: int,
        limit_usd_pico: int,
    ) -> None:
        """As above."""

    @event(Overshot)
    def tell_overshot(
        self,
        *,
        run_id: str | None,
        period_start: str | None,
        execution_id: str,
        path: str,
        attempt: int,
        reserved_usd_pico: int,
        cost_usd_pico: int,
    ) -> None:
        """As above."""


def thresholds(notify_at: Sequence[str]) -> list[str]:
    """Each once, ascending, written in one way."""
    return [f"{part.normalize():f}" for part in sorted({Decimal(text) for text in notify_at})]
