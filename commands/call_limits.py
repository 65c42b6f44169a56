"""What a tenant itself holds its calls to, within its plan."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from commands.decisions import Command, Decided, Tenancy
from commands.plan_port import StoredOwnLimits
from domain.call_limits import TENANT_LIMITS
from domain.errors import FieldError, Invalid
from domain.identifiers import JsonObject
from domain.tenants import Tenant, TenantNotFound


@dataclass(frozen=True, slots=True)
class LimitTenant(Command):
    """limits: by name, those of domain/call_limits.py, in place of those before."""

    requires: ClassVar[str] = "tenant:write"

    limits: JsonObject


async def limit_tenant(command: LimitTenant, on: Tenancy) -> Decided:
    """A plan that becomes narrower later counts then too: what is wider is refused here so that
    nobody takes it for more than it is.
    """
    plan = (await on.ports.plans.of(on.tenant_id)).limits
    mistakes = [
        FieldError(f"/{name}", "over_plan", f"at most the {plan[name]} of the plan are expected")
        for name, value in command.limits.items()
        if value is not None
        and plan.get(name) is not None
        and Decimal(str(value)) > Decimal(str(plan[name]))
    ]
    if mistakes:
        raise Invalid(errors=mistakes)
    tenant = await on.load(Tenant, on.tenant_id, TenantNotFound)
    tenant.limit(command.limits)
    row = StoredOwnLimits(tenant.limits)
    return Decided(
        {"limits": {name: tenant.limits.get(name) for name in TENANT_LIMITS}},
        aggregates=(tenant,),
        side_rows=(row,) if tenant.pending_events else (),
    )
