"""Plan: what the tenants on it may use. It belongs to the platform, not to a tenant. Every change
is a new immutable version: a tenant stays on the one it was given, or follows the newest.

What a plan leaves out is limited by the installation alone. What it costs is in its terms
(domain/plan_terms.py); a plan without terms costs nothing.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import FieldError, Invalid, NotFound, Refused
from domain.identifiers import Json, JsonObject

# The plan of every tenant of whom nobody said another (infra/migrations/0049_plans.sql). Until it
# is revised for the first time it has no events, and limits nothing.
STANDARD_ID = UUID("00000000-0000-7000-8000-0000000000a1")
STANDARD_NAME = "standard"

# Everything that a plan can limit, with what it means.
LIMITS: Mapping[str, str] = {
    "requests_per_min": "requests of the whole tenant, spread over a minute",
    "requests_burst": "of them, at once; without it a minute's worth",
    "step_weight": "turns of its steps for one of a tenant of weight 1, while workers are busy",
    "concurrent_executions": "executions that have begun and not ended",
    "concurrent_steps": "effects in flight in one worker process",
    "executions_per_month": "executions begun in a calendar month of UTC, without sub-workflows",
    "run_duration_s": "how long after its beginning an execution is ended",
    "run_cost_usd": "what one execution may cost",
    "concurrent_calls": "calls of models under way at once, over all workers",
    "tokens_per_min": "tokens that calls of models use, spread over a minute",
    "cost_usd_per_min": "what calls of models cost, spread over a minute",
    "concurrent_http_calls": "requests of `http` nodes under way at once, over all workers",
    "payload_bytes": "large payloads that are kept",
    "users": "people who are not deactivated",
    "api_keys": "API keys that can be used",
    "workflows": "workflows that are not deleted",
    "agents": "agents that are not deleted",
    "triggers": "triggers that are not deleted; 1,000 where no plan says it",
    "secrets": "values in the vault: secrets, and keys of providers",
    "retention_days": "how long payloads may be kept, when it is said how long",
}


class PlanNotFound(NotFound):
    """There is no such plan."""


class PlanVersionNotFound(NotFound):
    """This plan has no such version."""


class PlanArchived(Refused):
    """This plan is archived: tenants on it stay, and no other comes to it."""

    code = "plan_archived"


class StandardPlanStays(Refused):
    """The standard plan cannot be archived: new tenants begin on it."""

    code = "standard_plan"


class Plan(Aggregate):
    """limits: those of LIMITS that it says, by name. terms: as domain/plan_terms.py reads them."""

    TOPIC = "plan"

    class Created(Aggregate.Created):
        TOPIC = "plan.created"
        class_version = 2
        name: str
        limits: JsonObject
        is_for_resellers: bool
        terms: JsonObject | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            state["terms"] = None

    class Revised(Aggregate.Event):
        """All of the new version."""

        TOPIC = "plan.revised"
        class_version = 2
        plan_version: int
        name: str
        limits: JsonObject
        is_for_resellers: bool
        terms: JsonObject | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            state["terms"] = None

    class Archived(Aggregate.Event):
        TOPIC = "plan.archived"

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        name: str,
        limits: JsonObject,
        is_for_resellers: bool,
        terms: JsonObject | None,
    ) -> None:
        self.name = name
        self.is_for_resellers = is_for_resellers
        self.versions: list[JsonObject] = [limits]
        self.terms_of_versions: list[JsonObject | None] = [terms]
        self.is_archived = False

    @property
    def current_version(self) -> int:
        return len(self.versions)

    def limits(self, plan_version: int | None = None) -> JsonObject:
        """Of a version, or of the newest. Raises PlanVersionNotFound."""
        return self.versions[self._place(plan_version)]

    def terms(self, plan_version: int | None = None) -> JsonObject | None:
        """Of a version, or of the newest. Raises PlanVersionNotFound."""
        return self.terms_of_versions[self._place(plan_version)]

    def revise(
        self,
        *,
        name: str | None,
        limits: Mapping[str, Json],
        is_for_resellers: bool | None,
        terms: JsonObject | None,
    ) -> None:
        """limits: those that become different; None takes one away. terms: all of them. Changing
        nothing records nothing.
        """
        self.require_offered()
        name = self.name if name is None else name
        is_for = self.is_for_resellers if is_for_resellers is None else is_for_resellers
        changed = said({**self.limits(), **limits})
        known = (self.name, self.limits(), self.is_for_resellers, self.terms())
        if (name, changed, is_for, terms) != known:
            self._revised(self.current_version + 1, name, changed, is_for, terms)

    def archive(self) -> None:
        if self.id == STANDARD_ID:
            raise StandardPlanStays
        if not self.is_archived:
            self._archived()

    def require_offered(self) -> None:
        """Raises PlanArchived."""
        if self.is_archived:
            raise PlanArchived(plan_id=str(self.id))

    def _place(self, plan_version: int | None) -> int:
        chosen = plan_version or self.current_version
        if chosen > self.current_version:
            raise PlanVersionNotFound(plan_id=str(self.id), plan_version=chosen)
        return chosen - 1

    @event(Revised)
    def _revised(
        self,
        plan_version: int,  # noqa: ARG002 # the library passes the event's fields
        name: str,
        limits: JsonObject,
        is_for_resellers: bool,  # noqa: FBT001 # the library passes the event's fields
        terms: JsonObject | None,
    ) -> None:
        self.name = name
        self.is_for_resellers = is_for_resellers
        self.versions.append(limits)
        self.terms_of_versions.append(terms)

    @event(Archived)
    def _archived(self) -> None:
        self.is_archived = True


def said(limits: Mapping[str, Json]) -> JsonObject:
    """Those that limit something, in the order of LIMITS."""
    return {name: limits[name] for name in LIMITS if limits.get(name) is not None}


def require_narrower(overrides: Mapping[str, Json], limits: Mapping[str, Json]) -> None:
    """Whoever did not make the plan gives nobody more than it says. Raises Invalid."""
    mistakes = [
        FieldError(f"/overrides/{name}", "wider_than_plan", f"the plan allows {limits[name]}")
        for name, value in overrides.items()
        if limits.get(name) is not None
        and (value is None or Decimal(str(value)) > Decimal(str(limits[name])))
    ]
    if mistakes:
        raise Invalid(errors=mistakes)
