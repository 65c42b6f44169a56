"""Tenant: a customer of the platform; everything else belongs to exactly one.

    active ◄──► suspended
       │  ▲         │
       ▼  └─────────┤ cancelled
    offboarding ◄───┘
       │ its grace is over
       ▼
    offboarded       its key is destroyed, and nothing of it can be read any more

Who is not active reads and changes nothing; its runs stand still where they are.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.call_limits import TENANT_LIMITS
from domain.errors import Forbidden, NotFound, Refused
from domain.identifiers import JsonObject

REGION_DEFAULT = "us"
TIME_ZONE_DEFAULT = "UTC"
# Of the operator, and as many of the tenant: what is remembered of a tenant is bounded.
OVERRIDES_MAX = 1_000


class TenantNotFound(NotFound):
    """There is no such tenant."""


class TenantSuspended(Forbidden):
    """This tenant is suspended: it can read, and change nothing. GraphQL `tenant` tells why."""

    code = "tenant_suspended"


class SuspendedByOperator(Refused):
    """The operator suspended this tenant; only the operator can resume it."""

    code = "suspended_by_operator"


class TenantLeaves(Refused):
    """This tenant is being offboarded."""

    code = "tenant_leaves"


class TenantStays(Refused):
    """This tenant is not being offboarded."""

    code = "tenant_stays"


class OffboardedByOperator(Refused):
    """The operator offboards this tenant; only the operator can cancel that."""

    code = "offboarded_by_operator"


class TooManyOverrides(Refused):
    """This tenant has as many overrides of feature flags as it may have; take some away."""

    code = "too_many_overrides"


class Tenant(Aggregate):
    TOPIC = "tenant"

    class Created(Aggregate.Created):
        """reseller_id: the tenant whose customer it is; None: of the operator. region: where its
        data is to be, as the installation names it.
        """

        TOPIC = "tenant.created"
        class_version = 2
        name: str
        region: str
        time_zone: str
        reseller_id: str | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """There were no resellers, and nobody asked where data was."""
            state |= {"region": REGION_DEFAULT, "time_zone": TIME_ZONE_DEFAULT, "reseller_id": None}

    class RetentionChanged(Aggregate.Event):
        """payload_days: how long payloads are kept after the end of their run; None is for ever."""

        TOPIC = "tenant.retention_changed"
        payload_days: int | None

    class SettingsChanged(Aggregate.Event):
        """All settings as they are from now on."""

        TOPIC = "tenant.settings_changed"
        name: str
        time_zone: str

    class Suspended(Aggregate.Event):
        TOPIC = "tenant.suspended"
        reason: str
        is_by_operator: bool

    class Resumed(Aggregate.Event):
        TOPIC = "tenant.resumed"

    class PaymentMissed(Aggregate.Event):
        """Nobody tries to collect this payment any more; until it is paid the tenant only reads."""

        TOPIC = "tenant.payment_missed"
        payment_id: str

    class PaymentRecovered(Aggregate.Event):
        """It was paid after all, or is not owed any more."""

        TOPIC = "tenant.payment_recovered"
        payment_id: str

    class ResellerQuotaChanged(Aggregate.Event):
        """customers_max: how many tenants it may have provisioned at a time; 0: it is no
        reseller.
        """

        TOPIC = "tenant.reseller_quota_changed"
        customers_max: int

    class PlanChanged(Aggregate.Event):
        """plan_version: None follows the newest. overrides: single limits that are the tenant's
        own; None in them is no limit.
        """

        TOPIC = "tenant.plan_changed"
        plan_id: str
        plan_version: int | None
        overrides: JsonObject

    class Limited(Aggregate.Event):
        """limits: all of them that the tenant sets itself, beside its plan; none is none."""

        TOPIC = "tenant.limited"
        limits: JsonObject

    class FeatureOverridden(Aggregate.Event):
        """user_id: None is the whole tenant. is_enabled: None takes the override away."""

        TOPIC = "tenant.feature_overridden"
        flag: str
        user_id: str | None
        is_enabled: bool | None
        is_by_operator: bool

    class OffboardingRequested(Aggregate.Event):
        """due_at: the end of the grace, RFC 3339; until then it can be cancelled."""

        TOPIC = "tenant.offboarding_requested"
        due_at: str
        is_by_operator: bool

    class OffboardingCancelled(Aggregate.Event):
        TOPIC = "tenant.offboarding_cancelled"

    class Offboarded(Aggregate.Event):
        """The key of the tenant was destroyed; this is not sealed, and the last that is known."""

        TOPIC = "tenant.offboarded"

    class KeyDestroyed(Aggregate.Event):
        """The proof that everything of the tenant is erased. key_id: of the key, which is the
        tenant's id.
        """

        TOPIC = "tenant.key_destroyed"
        key_id: str

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        name: str,
        region: str,
        time_zone: str,
        reseller_id: str | None,
    ) -> None:
        self.name = name
        self.region = region
        self.time_zone = time_zone
        self.reseller_id = reseller_id
        self.payload_days: int | None = None
        self.customers_max = 0
        self.plan: tuple[str | None, int | None, JsonObject] = (None, None, {})
        self.limits: JsonObject = {}
        self.features: dict[tuple[str, str | None, bool], bool] = {}
        self.is_suspended = False
        self.is_suspended_by_operator = False
        self.missed_payments: set[str] = set()
        self.is_leaving = False
        self.is_leaving_by_operator = False
        self.is_offboarded = False

    @property
    def standing(self) -> Literal["active", "suspended", "offboarding", "offboarded"]:
        if self.is_offboarded:
            return "offboarded"
        if self.is_leaving:
            return "offboarding"
        return "suspended" if self.is_suspended or self.missed_payments else "active"

    def keep_payloads(self, payload_days: int | None) -> None:
        """Of runs that ended, for so many days; None is for ever."""
        if payload_days != self.payload_days:
            self._retention_changed(payload_days)

    def change_settings(self, *, name: str | None, time_zone: str | None) -> None:
        """None leaves a setting as it is."""
        name = self.name if name is None else name
        time_zone = self.time_zone if time_zone is None else time_zone
        if (name, time_zone) != (self.name, self.time_zone):
            self._settings_changed(name, time_zone)

    def suspend(self, reason: str, *, is_by_operator: bool) -> None:
        """What the reseller suspended the operator may suspend over it, so that it stays so."""
        if not self.is_suspended or (is_by_operator and not self.is_suspended_by_operator):
            self._suspended(reason, is_by_operator)

    def resume(self, *, is_by_operator: bool) -> None:
        """Raises SuspendedByOperator."""
        if not self.is_suspended:
            return
        if self.is_suspended_by_operator and not is_by_operator:
            raise SuspendedByOperator
        self._resumed()

    def miss_payment(self, payment_id: UUID) -> None:
        """Beside what the operator or reseller says, and ended by neither."""
        if str(payment_id) not in self.missed_payments:
            self._payment_missed(str(payment_id))

    def recover_payment(self, payment_id: UUID) -> None:
        if str(payment_id) in self.missed_payments:
            self._payment_recovered(str(payment_id))

    def request_offboarding(self, due_at: datetime, *, is_by_operator: bool) -> None:
        """Raises TenantLeaves when it is on its way already."""
        if self.is_leaving or self.is_offboarded:
            raise TenantLeaves
        self._offboarding_requested(due_at.isoformat(), is_by_operator)

    def cancel_offboarding(self, *, is_by_operator: bool) -> None:
        """Raises TenantStays, OffboardedByOperator."""
        if not self.is_leaving or self.is_offboarded:
            raise TenantStays
        if self.is_leaving_by_operator and not is_by_operator:
            raise OffboardedByOperator
        self._offboarding_cancelled()

    def offboard(self) -> None:
        """Its grace is over."""
        assert self.is_leaving
        assert not self.is_offboarded
        self.destroy_key()
        self._offboarded()

    def allow_customers(self, customers_max: int) -> None:
        if customers_max != self.customers_max:
            self._reseller_quota_changed(customers_max)

    def change_plan(self, plan_id: str, *, plan_version: int | None, overrides: JsonObject) -> None:
        if self.plan != (plan_id, plan_version, overrides):
            self._plan_changed(plan_id, plan_version, overrides)

    def limit(self, limits: JsonObject) -> None:
        """limits: in place of those before; None is none. Changing nothing records nothing."""
        told = {name: limits[name] for name in TENANT_LIMITS if limits.get(name) is not None}
        if told != self.limits:
            self._limited(told)

    def override_feature(
        self, flag: str, user_id: str | None, *, is_enabled: bool | None, is_by_operator: bool
    ) -> None:
        """Raises TooManyOverrides."""
        override = (flag, user_id, is_by_operator)
        if self.features.get(override) == is_enabled:
            return
        if is_enabled is not None and override not in self.features:
            own = [one for one in self.features if one[2] is is_by_operator]
            if len(own) >= OVERRIDES_MAX:
                raise TooManyOverrides
        self._feature_overridden(flag, user_id, is_enabled, is_by_operator)

    @event(RetentionChanged)
    def _retention_changed(self, payload_days: int | None) -> None:
        self.payload_days = payload_days

    @event(SettingsChanged)
    def _settings_changed(self, name: str, time_zone: str) -> None:
        self.name = name
        self.time_zone = time_zone

    @event(Suspended)
    def _suspended(self, reason: str, is_by_operator: bool) -> None:  # noqa: ARG002, FBT001 # the library passes the event's fields
        self.is_suspended = True
        self.is_suspended_by_operator = is_by_operator

    @event(Resumed)
    def _resumed(self) -> None:
        self.is_suspended = False
        self.is_suspended_by_operator = False

    @event(PaymentMissed)
    def _payment_missed(self, payment_id: str) -> None:
        self.missed_payments.add(payment_id)

    @event(PaymentRecovered)
    def _payment_recovered(self, payment_id: str) -> None:
        self.missed_payments.discard(payment_id)

    @event(ResellerQuotaChanged)
    def _reseller_quota_changed(self, customers_max: int) -> None:
        self.customers_max = customers_max

    @event(PlanChanged)
    def _plan_changed(self, plan_id: str, plan_version: int | None, overrides: JsonObject) -> None:
        self.plan = (plan_id, plan_version, overrides)

    @event(Limited)
    def _limited(self, limits: JsonObject) -> None:
        self.limits = limits

    @event(FeatureOverridden)
    def _feature_overridden(
        self,
        flag: str,
        user_id: str | None,
        is_enabled: bool | None,  # noqa: FBT001 # the library passes the event's fields
        is_by_operator: bool,  # noqa: FBT001 # the library passes the event's fields
    ) -> None:
        self.features.pop((flag, user_id, is_by_operator), None)
        if is_enabled is not None:
            self.features[flag, user_id, is_by_operator] = is_enabled

    @event(OffboardingRequested)
    def _offboarding_requested(self, due_at: str, is_by_operator: bool) -> None:  # noqa: ARG002, FBT001 # the library passes the event's fields
        self.is_leaving = True
        self.is_leaving_by_operator = is_by_operator

    @event(OffboardingCancelled)
    def _offboarding_cancelled(self) -> None:
        self.is_leaving = False
        self.is_leaving_by_operator = False

    @event(Offboarded)
    def _offboarded(self) -> None:
        self.is_offboarded = True

    def destroy_key(self) -> None:
        """For ever: nothing of the tenant can be read afterwards, nor anything stored."""
        self._key_destroyed(str(self.id))

    @event(KeyDestroyed)
    def _key_destroyed(self, key_id: str) -> None:
        self.destroyed_key_id = key_id
