"""How many calls count in a scope of limits at this moment, and wait for it, over all workers."""

from typing import LiteralString

NOW_S: LiteralString = "extract(epoch FROM clock_timestamp())"


def under_way(tenant_id: LiteralString, scope_id: LiteralString) -> LiteralString:
    """Of these columns."""
    return (
        "(SELECT count(*) FROM calls_under_way AS u WHERE u.tenant_id = "
        + (tenant_id + " AND u.scope_id = " + scope_id)
        + (" AND u.leased_until > " + NOW_S + ")")
    )


def waiting(tenant_id: LiteralString, scope_id: LiteralString) -> LiteralString:
    """Of these columns; as of a second or two ago."""
    return (
        "(SELECT coalesce(sum(i.calls), 0)::integer FROM calls_in_line AS i WHERE i.tenant_id = "
        + (tenant_id + " AND i.scope_id = " + scope_id)
        + (" AND i.told_until > " + NOW_S + ")")
    )
