"""How many executions wait for somebody to look at them, of all tenants.

The number spans tenants, so it comes from a function with the owner's rights that hands out nothing
but the number. It reads one place of an index per tenant, and stops counting at a bound.
"""

from psycopg import AsyncConnection, sql

from projections.executions import EXECUTIONS
from projections.tenants import TENANTS

TENANT_COUNTED_MAX = 10_000

# The statistics of a young table are wrong, so the one good plan is prescribed.
CREATE_ATTENTION = sql.SQL("""
CREATE OR REPLACE FUNCTION agentledger.executions_needing_attention(tenant_counted_max bigint)
  RETURNS bigint
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
  SET enable_mergejoin = off AS
$$
  SELECT coalesce(sum(counted.n), 0)::bigint
    FROM agentledger.{tenants} AS t
    CROSS JOIN LATERAL (
      SELECT count(*) AS n
        FROM (SELECT FROM agentledger.{executions} AS e
               WHERE e.tenant_id = t.tenant_id AND e.status = 'NEEDS_ATTENTION'
               LIMIT tenant_counted_max) AS e) AS counted
$$;
REVOKE EXECUTE ON FUNCTION agentledger.executions_needing_attention FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.executions_needing_attention TO agentledger_api
""").format(tenants=sql.Identifier(TENANTS.table), executions=sql.Identifier(EXECUTIONS.table))


async def needing_attention_count(conn: AsyncConnection) -> int:
    """As far as the read model knows. conn: the role api, or the owner."""
    query = "SELECT agentledger.executions_needing_attention(%s)"
    row = await (await conn.execute(query, (TENANT_COUNTED_MAX,), prepare=True)).fetchone()
    assert row is not None
    return row[0]
