"""FeatureFlag: whether something is switched on, for whom. It belongs to the platform.

Who decides, the first that says anything: the operator for a person, the operator for a tenant; and
where the flag lets tenants, the tenant for a person, the tenant for all of it; then the rollout;
then the default. The flags that the platform itself asks are there without being defined.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import Forbidden, NotFound
from domain.identifiers import JsonObject

# Never changes: the stream of a flag is found by its name.
FLAGS_NAMESPACE = UUID("0a4f3a8e-5c61-5f0c-8d0e-4f1d1c9f6b52")
NAME_PATTERN = r"[a-z][a-z0-9_]{0,62}"
# A bucket is a hundredth of a percent.
BUCKETS = 10_000
BUCKETS_PER_PERCENT = BUCKETS // 100

# What the platform asks; on, unless the operator says otherwise.
SCIM = "scim"
WEBHOOKS = "webhooks"
OWN_PROVIDERS = "own_providers"
EXTERNAL_LOGINS = "external_logins"
BUILT_IN: Mapping[str, str] = {
    EXTERNAL_LOGINS: "people sign in at identity providers of their tenant",
    OWN_PROVIDERS: "models are called through providers of the tenant's or a person's own",
    SCIM: "directories bring and send away people and groups",
    WEBHOOKS: "strangers who hold its key send requests to an execution",
}

Subject: TypeAlias = Literal["tenant", "user"]
Reason: TypeAlias = Literal["operator", "user", "tenant", "rollout", "default"]


class FeatureFlagNotFound(NotFound):
    """There is no such feature flag."""


class FeatureOff(Forbidden):
    """This feature is switched off for this tenant."""

    code = "feature_off"


class NotForTenants(Forbidden):
    """Only the operator says whether this feature is on."""

    code = "flag_not_for_tenants"


@dataclass(frozen=True, slots=True)
class FlagText:
    """What a flag says. percentage: for how many it is on, told apart by rollout_by; None: for all
    or nobody, as is_enabled says. is_for_tenants: whether tenants may override it for themselves.
    """

    description: str
    is_enabled: bool = True
    percentage: int | None = None
    rollout_by: Subject = "tenant"
    is_for_tenants: bool = False

    def told(self) -> JsonObject:
        return {
            "description": self.description,
            "is_enabled": self.is_enabled,
            "percentage": self.percentage,
            "rollout_by": self.rollout_by,
            "is_for_tenants": self.is_for_tenants,
        }


class FeatureFlag(Aggregate):
    TOPIC = "feature_flag"

    class Created(Aggregate.Created):
        TOPIC = "feature_flag.created"
        name: str

    class Defined(Aggregate.Event):
        """All that it says from now on; also of one that was removed."""

        TOPIC = "feature_flag.defined"
        description: str
        is_enabled: bool
        percentage: int | None
        rollout_by: str
        is_for_tenants: bool

    class Removed(Aggregate.Event):
        """One of the platform's own is on again, whatever it said."""

        TOPIC = "feature_flag.removed"

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        name: str,
    ) -> None:
        self.name = name
        self.text: JsonObject | None = None

    def define(self, text: FlagText) -> None:
        """Saying the same again records nothing."""
        if text.told() != self.text:
            self._defined(**text.told())  # pyright: ignore[reportArgumentType] # its own members

    def remove(self) -> None:
        """Raises FeatureFlagNotFound."""
        if self.text is None:
            raise FeatureFlagNotFound(name=self.name)
        self._removed()

    @event(Defined)
    def _defined(
        self,
        description: str,
        is_enabled: bool,  # noqa: FBT001 # the library passes the event's fields
        percentage: int | None,
        rollout_by: str,
        is_for_tenants: bool,  # noqa: FBT001 # the library passes the event's fields
    ) -> None:
        self.text = {
            "description": description,
            "is_enabled": is_enabled,
            "percentage": percentage,
            "rollout_by": rollout_by,
            "is_for_tenants": is_for_tenants,
        }

    @event(Removed)
    def _removed(self) -> None:
        self.text = None


def flag_id(name: str) -> UUID:
    return uuid5(FLAGS_NAMESPACE, name)


class Override(NamedTuple):
    """Of one tenant. user_id: None is all of it."""

    user_id: UUID | None
    is_by_operator: bool


def decided(
    name: str,
    text: FlagText,
    overrides: Mapping[Override, bool],
    *,
    tenant_id: UUID,
    user_id: UUID | None,
) -> tuple[bool, Reason]:
    """Whether it is on for this caller, and who says so. The same for ever while nobody changes
    anything.
    """
    order: list[tuple[Override, Reason]] = [
        (Override(user_id, is_by_operator=True), "operator"),
        (Override(None, is_by_operator=True), "operator"),
    ]
    if text.is_for_tenants:
        if user_id is not None:
            order.append((Override(user_id, is_by_operator=False), "user"))
        order.append((Override(None, is_by_operator=False), "tenant"))
    for override, reason in order:
        if override in overrides:
            return overrides[override], reason
    if text.percentage is not None:
        subject = user_id if text.rollout_by == "user" and user_id is not None else tenant_id
        return bucket(name, subject) < text.percentage * BUCKETS_PER_PERCENT, "rollout"
    return text.is_enabled, "default"


def bucket(name: str, subject: UUID) -> int:
    """From 0 to 9,999: the first eight bytes of SHA-256 of `<flag>:<id>`, modulo 10,000. So a
    larger percentage only ever adds, and flags are rolled out to different ones first.
    """
    digest = hashlib.sha256(f"{name}:{subject}".encode()).digest()
    return int.from_bytes(digest[:8]) % BUCKETS
