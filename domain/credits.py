"""CreditAccount: what a tenant has been given and not yet used, by double entry.

    issued ──► grant:<id> ──► consumed:<invoice>     burned by an invoice
                  │   ▲──────────────┘               restored, when it is void or refunded
                  ├──► expired
                  └──► issued                        withdrawn

Each event is one entry of the ledger: what it adds to each account, which sums to zero. A balance
is the sum of entries and nothing else, and only `issued` is ever below zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias, cast
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.credit_grants import Grant, Scope, Source, burned
from domain.errors import NotFound, Refused
from domain.identifiers import Json, StreamId, TenantId

ISSUED = "issued"
EXPIRED = "expired"
# Of what is not used up.
GRANTS_MAX = 500
# A million USD, and what one invoice takes at most: an amount is an integer of 64 bits.
GRANT_PICO_MAX = 10**18
BURN_PICO_MAX = 9 * 10**18

# [account, what is added to it in pico-USD], in events.
Postings: TypeAlias = list[Json]


class CreditGrantNotFound(NotFound):
    """There is no such grant of credits."""


class TooManyGrants(Refused):
    """This tenant has as many grants of credits as it can have at a time."""

    code = "too_many_grants"


class NothingLeft(Refused):
    """Nothing is left of these credits."""

    code = "nothing_left"


def credit_account_id(tenant_id: TenantId) -> StreamId:
    """Never changes: the stream is found by it."""
    return StreamId(uuid5(tenant_id, "credits"))


def grant_account(grant_id: str) -> str:
    return f"grant:{grant_id}"


def consumed_account(invoice_id: str) -> str:
    return f"consumed:{invoice_id}"


@dataclass
class Burn:
    """parts: what each grant gave that has not been restored, in the order in which they burned.
    restored: by the reference of what restored it.
    """

    amount_pico: int
    parts: dict[str, int]
    restored: dict[str, int] = field(default_factory=dict[str, int])


class CreditAccount(Aggregate):
    TOPIC = "credit_account"

    class Created(Aggregate.Created):
        TOPIC = "credit_account.created"

    class Granted(Aggregate.Event):
        """priority: the lowest burns first. effective_at, expires_at: RFC 3339. scope: `usage`
        pays only for usage.
        """

        TOPIC = "credit_account.granted"
        grant_id: str
        source: str
        description: str
        priority: int
        effective_at: str
        expires_at: str | None
        scope: str | None
        postings: Postings

    class Burned(Aggregate.Event):
        TOPIC = "credit_account.burned"
        invoice_id: str
        at: str
        postings: Postings

    class Restored(Aggregate.Event):
        """reference: what for, as a credit note; a second time is the same time."""

        TOPIC = "credit_account.restored"
        invoice_id: str
        reference: str
        at: str
        postings: Postings

    class Expired(Aggregate.Event):
        TOPIC = "credit_account.expired"
        grant_id: str
        at: str
        postings: Postings

    class Withdrawn(Aggregate.Event):
        TOPIC = "credit_account.withdrawn"
        grant_id: str
        at: str
        reason: str
        postings: Postings

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
    ) -> None:
        self.balances: dict[str, int] = {}
        self.grants: dict[str, Grant] = {}
        self.burns: dict[str, Burn] = {}
        self.grants_count = 0

    @property
    def due_at(self) -> datetime | None:
        """When the next grant expires of which something is left."""
        ends = [one.expires_at for one in self.grants.values() if one.expires_at and one.left_pico]
        return min(ends, default=None)

    def available_pico(self, at: datetime) -> int:
        """What could be burned at an instant."""
        return sum(one.left_pico for one in self.grants.values() if one.counts(at))

    def grant(
        self,
        grant_id: str,
        amount_pico: int,
        *,
        source: Source,
        description: str,
        priority: int,
        effective_at: datetime,
        expires_at: datetime | None,
        scope: Scope | None,
    ) -> None:
        """Raises TooManyGrants."""
        assert 0 < amount_pico <= GRANT_PICO_MAX
        if sum(1 for one in self.grants.values() if one.left_pico) >= GRANTS_MAX:
            raise TooManyGrants(grants_max=GRANTS_MAX)
        self._granted(
            grant_id=grant_id,
            source=source,
            description=description,
            priority=priority,
            effective_at=effective_at.isoformat(),
            expires_at=None if expires_at is None else expires_at.isoformat(),
            scope=scope,
            postings=[[ISSUED, -amount_pico], [grant_account(grant_id), amount_pico]],
        )

    def burn(
        self, invoice_id: str, amount_pico: int, *, usage_pico: int | None = None, at: datetime
    ) -> int:
        """Pays for an invoice as far as there is something, and returns how much; the same for an
        invoice that has burned already. usage_pico: what of the amount is for usage; None is all.
        Amounts are in pico-USD.
        """
        known = self.burns.get(invoice_id)
        if known is not None:
            return known.amount_pico
        amount = max(0, min(amount_pico, BURN_PICO_MAX))
        usage = amount if usage_pico is None else max(0, min(usage_pico, amount))
        parts = list(burned(self.grants.values(), amount, usage, at))
        total = sum(part for _, part in parts)
        if total:
            postings: Postings = [[grant_account(one), -part] for one, part in parts]
            postings.append([consumed_account(invoice_id), total])
            self._burned(invoice_id, at.isoformat(), postings)
        return total

    def restore(
        self, invoice_id: str, *, reference: str, amount_pico: int | None = None, at: datetime
    ) -> int:
        """Gives back to the grants it came from what an invoice burned, the last first, and returns
        how much. amount_pico: None is all of it. The same for a reference that was used already.
        What goes back to a grant that has expired or was withdrawn is gone again at once: nothing
        that is given back is better than it was.
        """
        burn = self.burns.get(invoice_id)
        if burn is None:
            return 0
        if reference in burn.restored:
            return burn.restored[reference]
        left = sum(burn.parts.values())
        left = left if amount_pico is None else max(0, min(amount_pico, left))
        postings: Postings = [[consumed_account(invoice_id), -left]]
        total = left
        for grant_id, part in reversed(burn.parts.items()):
            back = min(part, left)
            left -= back
            if back:
                postings.append([grant_account(grant_id), back])
        if total:
            self._restored(invoice_id, reference, at.isoformat(), postings)
            self.expire(at)
            for grant in [self.grants[one] for one in grants_in(postings)]:
                if grant.left_pico and grant.withdrawn_for is not None:
                    gone = _moved(grant, ISSUED)
                    self._withdrawn(grant.grant_id, at.isoformat(), grant.withdrawn_for, gone)
        return total

    def expire(self, now: datetime) -> None:
        """What is left of grants whose time is over is gone."""
        for grant in list(self.grants.values()):
            if grant.left_pico and grant.expires_at is not None and grant.expires_at <= now:
                gone = _moved(grant, EXPIRED)
                self._expired(grant.grant_id, grant.expires_at.isoformat(), gone)

    def withdraw(self, grant_id: str, *, reason: str, now: datetime) -> None:
        """What is left of a grant that should not have been given. Raises CreditGrantNotFound,
        NothingLeft.
        """
        grant = self.grants.get(grant_id)
        if grant is None:
            raise CreditGrantNotFound
        if not grant.left_pico:
            raise NothingLeft
        self._withdrawn(grant_id, now.isoformat(), reason, _moved(grant, ISSUED))

    @event(Granted)
    def _granted(
        self,
        *,
        grant_id: str,
        source: str,  # noqa: ARG002 # only read models tell it
        description: str,  # noqa: ARG002 # as above
        priority: int,
        effective_at: str,
        expires_at: str | None,
        scope: str | None,
        postings: Postings,
    ) -> None:
        self.grants_count += 1
        self.grants[grant_id] = Grant(
            grant_id,
            self.grants_count,
            priority,
            datetime.fromisoformat(effective_at),
            None if expires_at is None else datetime.fromisoformat(expires_at),
            cast("Scope | None", scope),
        )
        self._post(postings)

    @event(Burned)
    def _burned(self, invoice_id: str, at: str, postings: Postings) -> None:  # noqa: ARG002 # the library passes the event's fields
        parts = {name: -amount for name, amount in grants_in(postings).items()}
        self.burns[invoice_id] = Burn(sum(parts.values()), parts)
        self._post(postings)

    @event(Restored)
    def _restored(self, invoice_id: str, reference: str, at: str, postings: Postings) -> None:  # noqa: ARG002 # as above
        burn, back = self.burns[invoice_id], grants_in(postings)
        burn.restored[reference] = sum(back.values())
        burn.parts = {name: part - back.get(name, 0) for name, part in burn.parts.items()}
        self._post(postings)

    @event(Expired)
    def _expired(self, grant_id: str, at: str, postings: Postings) -> None:  # noqa: ARG002 # as above
        self._post(postings)

    @event(Withdrawn)
    def _withdrawn(self, grant_id: str, at: str, reason: str, postings: Postings) -> None:  # noqa: ARG002 # as above
        self.grants[grant_id].withdrawn_for = reason
        self._post(postings)

    def _post(self, postings: Postings) -> None:
        for account, amount in _read(postings):
            self.balances[account] = self.balances.get(account, 0) + amount
        for grant_id in grants_in(postings):
            self.grants[grant_id].left_pico = self.balances[grant_account(grant_id)]


def grants_in(postings: Postings) -> Mapping[str, int]:
    """What an entry adds to each grant, by its id."""
    prefix = grant_account("")
    return {
        account.removeprefix(prefix): amount
        for account, amount in _read(postings)
        if account.startswith(prefix)
    }


def _read(postings: Postings) -> Sequence[tuple[str, int]]:
    return cast("Sequence[tuple[str, int]]", postings)


def _moved(grant: Grant, account: str) -> Postings:
    """All that is left of it."""
    left = grant.left_pico
    return [[grant_account(grant.grant_id), -left], [account, left]]
