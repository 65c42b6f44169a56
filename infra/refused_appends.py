"""How the functions of the database refuse an append, as the error that its caller hears."""

from collections.abc import Sequence

from psycopg import DatabaseError

from commands.budget_port import BudgetsChanged
from domain.budgets import NothingHeld
from domain.errors import DomainError, Stale
from infra.append_statement import Append
from infra.budget_moves import (
    EXCEEDED_SQLSTATE,
    NOT_HELD_SQLSTATE,
    TOLD_SQLSTATE,
    changed_tenants,
    exceeded,
)
from infra.quota_refusals import QUOTA_SQLSTATE, quota_refusal


def refusal_of(error: DatabaseError) -> DomainError | None:
    """Of an append that stands alone; None when no function of ours has refused it."""
    match error.sqlstate:
        case str(code) if code == QUOTA_SQLSTATE:
            return quota_refusal(error)
        case str(code) if code == NOT_HELD_SQLSTATE:
            return NothingHeld()
        case str(code) if code == TOLD_SQLSTATE:
            return Stale()
        case _:
            return None


def refuse_over_budget(batch: Sequence[Append], error: DatabaseError) -> list[Append]:
    """Tells those that budgets refuse, and returns the others, of which nothing was stored."""
    refused: dict[int, DomainError] = {}
    if error.sqlstate == EXCEEDED_SQLSTATE:
        refused.update(exceeded(error))
    else:
        tenants = changed_tenants(error)
        for place, append in enumerate(batch):
            moves = append.budgets
            if moves and moves.revision is not None and str(moves.tenant_id) in tenants:
                refused[place] = BudgetsChanged()
    rest: list[Append] = []
    for place, append in enumerate(batch):
        if place in refused:
            append.fail(refused[place])
        else:
            rest.append(append)
    # Who refuses nobody refuses for ever.
    assert refused
    return rest
