"""Credits: given and withdrawn by the operator, or by the reseller who created the tenant. Invoices
burn and restore them in their own appends, with `credit_account` and `credit_deadline`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from commands.deadline_port import StoredDeadline
from commands.decisions import Command, Decided, Tenancy
from commands.tenants import managed_tenant
from domain.credit_grants import Scope, Source
from domain.credits import (
    GRANT_PICO_MAX,
    CreditAccount,
    CreditGrantNotFound,
    credit_account_id,
)
from domain.errors import FieldError, Invalid
from domain.identifiers import JsonObject, TenantId
from domain.money import usd_pico, usd_text

# As what is given away without saying one.
PRIORITY = 100


@dataclass(frozen=True, slots=True)
class GrantCredits(Command):
    """amount_usd: a decimal string. priority: the lowest burns first. effective_at: None is now.
    scope: `usage` pays only for usage; None for everything.
    """

    requires: ClassVar[str] = "credits:write"

    tenant_id: UUID
    amount_usd: str
    source: Source
    description: str = ""
    priority: int = PRIORITY
    effective_at: datetime | None = None
    expires_at: datetime | None = None
    scope: Scope | None = None

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def grant_credits(command: GrantCredits, on: Tenancy) -> Decided:
    on.keep(await managed_tenant(on))
    now = on.ports.clock.now()
    effective_at = command.effective_at or now
    if command.expires_at is not None and command.expires_at <= max(now, effective_at):
        reason = "after the credits have become effective, and not in the past, is expected"
        raise Invalid(errors=[FieldError("/expires_at", "expires_too_early", reason)])
    account = await credit_account(on) or on.begin(CreditAccount, credit_account_id(on.tenant_id))
    grant_id = str(on.ports.ids.new())
    account.grant(
        grant_id,
        usd_pico(command.amount_usd),
        source=command.source,
        description=command.description,
        priority=command.priority,
        effective_at=effective_at,
        expires_at=command.expires_at,
        scope=command.scope,
    )
    return _decided(account, grant_id, on)


@dataclass(frozen=True, slots=True)
class WithdrawCredits(Command):
    """What is left of a grant."""

    requires: ClassVar[str] = "credits:write"

    tenant_id: UUID
    grant_id: UUID
    reason: str

    def subject(self, own: TenantId | None) -> TenantId:
        del own
        return TenantId(self.tenant_id)


async def withdraw_credits(command: WithdrawCredits, on: Tenancy) -> Decided:
    on.keep(await managed_tenant(on))
    account = await on.load(CreditAccount, credit_account_id(on.tenant_id), CreditGrantNotFound)
    grant_id = str(command.grant_id)
    account.withdraw(grant_id, reason=command.reason, now=on.ports.clock.now())
    return _decided(account, grant_id, on)


@dataclass(frozen=True, slots=True)
class ExpireCredits(Command):
    """A time has come. By the platform alone."""

    requires: ClassVar[str] = "deadlines:meet"


async def expire_credits(command: ExpireCredits, on: Tenancy) -> Decided:
    del command
    account = await on.load(CreditAccount, credit_account_id(on.tenant_id), CreditGrantNotFound)
    account.expire(on.ports.clock.now())
    return Decided({}, aggregates=(account,), side_rows=(credit_deadline(account),))


async def credit_account(on: Tenancy) -> CreditAccount | None:
    """Of the tenant; None was never given anything."""
    stream_id = credit_account_id(on.tenant_id)
    return await on.ports.events.load(CreditAccount, stream_id, on.tenant_id)


def money_credited(
    account: CreditAccount | None, amount_pico: int, description: str, on: Tenancy
) -> CreditAccount | None:
    """Money of the tenant that no invoice claims: as it was paid, it never expires, and pays for
    everything. account: None where there is none yet. Nothing is done with an amount of 0. Raises
    TooManyGrants.
    """
    while amount_pico:
        account = account or on.begin(CreditAccount, credit_account_id(on.tenant_id))
        part = min(amount_pico, GRANT_PICO_MAX)
        account.grant(
            str(on.ports.ids.new()),
            part,
            source="purchased",
            description=description,
            priority=PRIORITY,
            effective_at=on.ports.clock.now(),
            expires_at=None,
            scope=None,
        )
        amount_pico -= part
    return account


def credit_deadline(account: CreditAccount) -> StoredDeadline:
    """The row of an append that has events of the account."""
    return StoredDeadline("credits", account.id, account.due_at)


def _decided(account: CreditAccount, grant_id: str, on: Tenancy) -> Decided:
    result: JsonObject = {
        "tenant_id": str(on.tenant_id),
        "grant_id": grant_id,
        "left_usd": usd_text(account.grants[grant_id].left_pico),
        "available_usd": usd_text(account.available_pico(on.ports.clock.now())),
    }
    return Decided(result, aggregates=(account,), side_rows=(credit_deadline(account),))
