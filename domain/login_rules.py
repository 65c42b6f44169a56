"""LoginRules: what a tenant asks of its people when they log in. One stream per tenant, which
begins when somebody first changes a rule.
"""

from collections.abc import Collection, Sequence
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import Refused
from domain.identifiers import StreamId, TenantId

# How somebody proved who they are, as sessions tell it. PROVIDER: with the id of the identity
# provider after a colon (at_provider). MULTIPLE: the identity provider said that
# there was more than a password (`mfa` in the `amr` of RFC 8176).
PASSWORD, TOTP, PROVIDER, MULTIPLE = "password", "totp", "identity_provider", "mfa"


class SecondFactorRequired(Refused):
    """The tenant asks for a second factor of everybody with this role."""

    code = "second_factor_required"


def at_provider(provider_id: UUID) -> str:
    return f"{PROVIDER}:{provider_id}"


def provider_of(factors: Collection[str]) -> UUID | None:
    """Where somebody signed in who proved to be themselves by these, unless it was here."""
    at = [factor.partition(":")[2] for factor in factors if factor.startswith(f"{PROVIDER}:")]
    return UUID(at[0]) if at else None


def is_factor(text: str) -> bool:
    return text in {PASSWORD, TOTP, MULTIPLE} or text.startswith(f"{PROVIDER}:")


def login_rules_id(tenant_id: TenantId) -> StreamId:
    """Never changes: the stream is found by it."""
    return StreamId(uuid5(tenant_id, "login_rules"))


class LoginRules(Aggregate):
    """requires_second_factor: of everybody whose role is in second_factor_roles; none named: of
    everybody. trusts_providers: whoever signed in at an identity provider has done enough there,
    whatever it says about how.
    """

    TOPIC = "login_rules"

    class Created(Aggregate.Created):
        TOPIC = "login_rules.created"

    class Changed(Aggregate.Event):
        """All rules as they are from now on."""

        TOPIC = "login_rules.changed"
        requires_second_factor: bool
        second_factor_roles: list[str]
        trusts_providers: bool

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
    ) -> None:
        self.requires_second_factor = False
        self.second_factor_roles: list[str] = []
        self.trusts_providers = False

    def is_enough(self, role: str, factors: Collection[str]) -> bool:
        """Whether somebody with this role who proved to be themselves by these may go on."""
        if not self.concerns(role) or TOTP in factors or MULTIPLE in factors:
            return True
        return self.trusts_providers and provider_of(factors) is not None

    def concerns(self, role: str) -> bool:
        named = self.second_factor_roles
        return self.requires_second_factor and (not named or role in named)

    def change(
        self,
        *,
        requires_second_factor: bool,
        second_factor_roles: Sequence[str],
        trusts_providers: bool,
    ) -> None:
        asked = (requires_second_factor, sorted(set(second_factor_roles)), trusts_providers)
        known = (self.requires_second_factor, self.second_factor_roles, self.trusts_providers)
        if asked != known:
            self._changed(*asked)

    @event(Changed)
    def _changed(
        self,
        requires_second_factor: bool,  # noqa: FBT001 # the library passes the event's fields
        second_factor_roles: list[str],
        trusts_providers: bool,  # noqa: FBT001 # the library passes the event's fields
    ) -> None:
        self.requires_second_factor = requires_second_factor
        self.second_factor_roles = second_factor_roles
        self.trusts_providers = trusts_providers
