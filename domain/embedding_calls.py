"""EmbeddingCall: a text that a model which is paid for turns into a vector. Each is a stream of its
own; neither the text nor the vector is in it.

    (begun: intent, with what budgets hold) ──► completed | failed      it is known what it cost
                    └─► nobody told its end: usage_unresolved ──► usage_resolved

It is named as attempts of runs are, where something is held or reported: its id, its purpose as the
path, and 1.
"""

from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.identifiers import Json, JsonObject
from domain.node_types import Usage
from domain.usage import UsageNotUnresolved

# What for: to be found among templates, or to find some.
Purpose: TypeAlias = Literal["template", "search"]
# Who asks again makes another call.
ATTEMPT = 1
LATE = "its answer came late"


class EmbeddingCall(Aggregate):
    TOPIC = "embedding_call"

    class Created(Aggregate.Created):
        """The intent, stored before the call. model: under the name that the tenant knows.
        happened_at: RFC 3339. reserved: {usd_pico, tokens_max, counters} where budgets pay for it
        (domain/reservations.py). usage, counters: of calls of before, which were stored when
        they had been made.
        """

        TOPIC = "embedding_call.created"
        class_version = 2
        purpose: str
        model: str
        happened_at: str
        created_by: str
        reserved: JsonObject | None
        usage: JsonObject | None
        counters: list[Json]

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """Nothing was reserved, and who asked stood in the usage alone."""
            state["created_by"] = str(state["usage"]["created_by"])
            state["reserved"] = None

    class Completed(Aggregate.Event):
        """usage: as domain/usage.py writes it."""

        TOPIC = "embedding_call.completed"
        path: str
        attempt: int
        model: str | None
        cost_usd_pico: int | None
        usage: JsonObject

    class Failed(Aggregate.Event):
        """usage: of what was billed all the same."""

        TOPIC = "embedding_call.failed"
        path: str
        attempt: int
        code: str
        message: str
        model: str | None
        cost_usd_pico: int | None
        usage: JsonObject | None

    class UsageUnresolved(Aggregate.Event):
        """It may have been billed, and nobody here can know what it used."""

        TOPIC = "embedding_call.usage_unresolved"
        path: str
        attempt: int
        model: str | None
        created_by: str
        code: str
        message: str

    class UsageResolved(Aggregate.Event):
        """What such a call used, as somebody found out, or as its answer said that came late.
        reason: in the words of who found out.
        """

        TOPIC = "embedding_call.usage_resolved"
        path: str
        attempt: int
        model: str | None
        cost_usd_pico: int | None
        usage: JsonObject
        reason: str

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002 # taken by the library, which calls it so
        purpose: Purpose,
        model: str,
        happened_at: str,
        created_by: str,
        reserved: JsonObject | None,
        usage: JsonObject | None,
        counters: list[Json],
    ) -> None:
        del id, happened_at, counters  # For who counts.
        self.purpose: Purpose = purpose
        self.model = model
        self.created_by = created_by
        self.is_open = usage is None
        self.is_budgeted = reserved is not None
        self.unresolved_since: datetime | None = None

    @property
    def request_id(self) -> str:
        """As the call carries it, and the provider's report has it."""
        return f"{self.id}:{self.purpose}:{ATTEMPT}"

    def complete(self, usage: Usage) -> None:
        """Nothing, when somebody has resolved meanwhile what it used."""
        if self.is_open:
            self.trigger_event(self.Completed, **self._facts(usage))
        else:
            self._hear_late(usage)

    def fail(self, code: str, message: str, usage: Usage) -> None:
        """usage: what was billed all the same. Nothing, as for `complete`."""
        if not self.is_open:
            self._hear_late(usage)
        elif usage.is_unknown:
            self.leave_unresolved(code, message)
        else:
            self.trigger_event(self.Failed, code=code, message=message, **self._facts(usage))

    def leave_unresolved(self, code: str, message: str) -> None:
        """Nothing, when its end was told."""
        if not self.is_open:
            return
        self.trigger_event(
            self.UsageUnresolved,
            path=self.purpose,
            attempt=ATTEMPT,
            model=self.model,
            created_by=self.created_by,
            code=code,
            message=message,
        )

    def require_unresolved(self, path: str, attempt: int) -> datetime:
        """Since when it is. Raises UsageNotUnresolved."""
        if self.unresolved_since is None or (path, attempt) != (self.purpose, ATTEMPT):
            raise UsageNotUnresolved(execution_id=str(self.id), path=path, attempt=attempt)
        return self.unresolved_since

    def resolve(self, usage: Usage, *, reason: str) -> None:
        """Raises UsageNotUnresolved."""
        self.require_unresolved(self.purpose, ATTEMPT)
        self.trigger_event(self.UsageResolved, reason=reason, **self._facts(usage))

    def _hear_late(self, usage: Usage) -> None:
        if self.unresolved_since is not None and usage.metered is not None:
            self.resolve(usage, reason=LATE)

    def _facts(self, usage: Usage) -> dict[str, Any]:
        told = usage.facts(workflow_id=None, created_by=self.created_by)
        names = ("model", "cost_usd_pico", "usage")
        facts = {name: told[name] for name in names}
        return {"path": self.purpose, "attempt": ATTEMPT, **facts}

    @event(Completed)
    def _completed(self) -> None:
        self.is_open = False

    @event(Failed)
    def _failed(self) -> None:
        self.is_open = False

    @event(UsageUnresolved)
    def _usage_unresolved(self, timestamp: datetime) -> None:
        self.is_open = False
        self.unresolved_since = timestamp

    @event(UsageResolved)
    def _usage_resolved(self) -> None:
        self.unresolved_since = None
