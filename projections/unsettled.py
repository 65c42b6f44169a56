"""How many calls of the last day have no price, or may have been billed and nobody knows, of all
tenants: what somebody has to look at before bills are written.

As in attention.py: a function with the owner's rights that hands out nothing but the numbers.
"""

from typing import NamedTuple

from psycopg import AsyncConnection, sql

from projections.rollups import rollup_name
from projections.tenants import TENANTS
from projections.usage import QUARTERS, USAGE_FACTS

# The statistics of a young table are wrong, so the one good plan is prescribed.
CREATE_UNSETTLED = sql.SQL("""
CREATE OR REPLACE FUNCTION agentledger.usage_unsettled(OUT unpriced bigint, OUT unresolved bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
  SET enable_mergejoin = off AS
$$
  SELECT coalesce(sum(of_tenant.unpriced), 0)::bigint,
         coalesce(sum(of_tenant.unresolved), 0)::bigint
    FROM agentledger.{tenants} AS t
    CROSS JOIN LATERAL (
      SELECT sum(q.unpriced) AS unpriced, sum(q.unresolved) AS unresolved
        FROM agentledger.{quarters} AS q
       WHERE q.tenant_id = t.tenant_id AND q.meter = 'requests'
         AND q.start >= pg_catalog.now() - interval '1 day') AS of_tenant
$$;
REVOKE EXECUTE ON FUNCTION agentledger.usage_unsettled FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.usage_unsettled TO agentledger_api
""").format(
    tenants=sql.Identifier(TENANTS.table),
    quarters=sql.Identifier(rollup_name(USAGE_FACTS.table, QUARTERS)),
)


class Unsettled(NamedTuple):
    unpriced: int
    unresolved: int


async def unsettled_usage(conn: AsyncConnection) -> Unsettled:
    """As far as the read model knows. conn: the role api, or the owner."""
    query = "SELECT unpriced, unresolved FROM agentledger.usage_unsettled()"
    row = await (await conn.execute(query, prepare=True)).fetchone()
    assert row is not None
    return Unsettled(*row)
