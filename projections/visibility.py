"""What one person sees of the read models: the functions that row security asks, which have to know
the tables of today.

Runs are seen by who began them, by whose workflow (or agent) it is, and by with whom that is shared
for viewing. A public workflow shows to everybody the runs that its owner began.
"""

from collections.abc import Iterator

from psycopg import AsyncConnection, sql

from projections.agents import AGENTS
from projections.executions import EXECUTIONS
from projections.rows import Tables
from projections.table import AnyProjection
from projections.workflows import WORKFLOWS

# With the rights of who asks: they see the row or they do not.
SEES = sql.SQL("""
CREATE OR REPLACE FUNCTION agentledger.{function}(wanted uuid) RETURNS boolean
  LANGUAGE sql STABLE SET search_path = '' AS
$$
  SELECT EXISTS (SELECT FROM agentledger.{table} AS r
                  WHERE r.tenant_id = agentledger.current_tenant() AND r.{column} = wanted)
$$
""")
# For lists: each set is made once for a statement, however many rows are looked at.
SETS = sql.SQL("""
CREATE OR REPLACE FUNCTION agentledger.run_sources() RETURNS SETOF uuid
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT w.workflow_id FROM agentledger.{workflows} AS w
   WHERE w.tenant_id = agentledger.current_tenant()
     AND w.created_by = ANY ((SELECT agentledger.own_actors())::text[])
  UNION ALL
  SELECT a.agent_id FROM agentledger.{agents} AS a
   WHERE a.tenant_id = agentledger.current_tenant()
     AND a.created_by = ANY ((SELECT agentledger.own_actors())::text[])
  UNION ALL
  SELECT agentledger.viewed_by_person()
$$;
CREATE OR REPLACE FUNCTION agentledger.public_runs() RETURNS TABLE (workflow_id uuid, actor text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  WITH shown AS (
    SELECT w.workflow_id, w.created_by,
           agentledger.person_of(w.tenant_id, w.created_by) AS person
      FROM agentledger.{workflows} AS w
     WHERE w.tenant_id = agentledger.current_tenant() AND w.is_public AND NOT w.is_deleted
       AND w.workflow_id NOT IN (SELECT agentledger.unpublished())
  )
  SELECT s.workflow_id, s.created_by FROM shown AS s
  UNION
  SELECT s.workflow_id, 'user:' || s.person FROM shown AS s
  UNION
  SELECT s.workflow_id, 'api_key:' || k.api_key_id FROM shown AS s
    JOIN agentledger.api_key_hashes AS k
      ON k.tenant_id = agentledger.current_tenant() AND k.user_id = s.person
$$
""")
# The newest of each set by its index, and of these the newest.
OWN_RUNS = sql.SQL("""
CREATE OR REPLACE FUNCTION agentledger.own_runs(before uuid, count_max integer) RETURNS SETOF uuid
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  WITH sources AS MATERIALIZED (SELECT agentledger.run_sources() AS id)
  SELECT found.id FROM (
    SELECT e.id FROM unnest(agentledger.own_actors()) AS own (actor) CROSS JOIN LATERAL (
      SELECT r.execution_id AS id FROM agentledger.{executions} AS r
       WHERE r.tenant_id = agentledger.current_tenant() AND r.created_by = own.actor
         AND r.execution_id < {before} ORDER BY r.execution_id DESC LIMIT count_max) AS e
    UNION
    SELECT e.id FROM sources AS s CROSS JOIN LATERAL (
      SELECT r.execution_id AS id FROM agentledger.{executions} AS r
       WHERE r.tenant_id = agentledger.current_tenant() AND r.workflow_id = s.id
         AND r.execution_id < {before} ORDER BY r.execution_id DESC LIMIT count_max) AS e
    UNION
    SELECT e.id FROM sources AS s CROSS JOIN LATERAL (
      SELECT r.execution_id AS id FROM agentledger.{executions} AS r
       WHERE r.tenant_id = agentledger.current_tenant() AND r.agent_id = s.id
         AND r.execution_id < {before} ORDER BY r.execution_id DESC LIMIT count_max) AS e
    UNION
    SELECT e.id FROM agentledger.public_runs() AS p CROSS JOIN LATERAL (
      SELECT r.execution_id AS id FROM agentledger.{executions} AS r
       WHERE r.tenant_id = agentledger.current_tenant() AND r.workflow_id = p.workflow_id
         AND r.created_by = p.actor
         AND r.execution_id < {before} ORDER BY r.execution_id DESC LIMIT count_max) AS e
  ) AS found ORDER BY found.id DESC LIMIT count_max
$$
""")
NEWER_THAN_ALL = sql.SQL("coalesce(before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')")
# The same for one run: asked again for each of its nodes and payloads, so without the sets.
SEES_EXECUTION = sql.SQL("""
CREATE OR REPLACE FUNCTION agentledger.shows_run(source uuid, runner text) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT source IS NOT NULL AND (
    agentledger.begun_by_person(source) OR agentledger.is_viewed_by_person(source) OR EXISTS (
      SELECT FROM agentledger.{workflows} AS w
       WHERE w.tenant_id = agentledger.current_tenant() AND w.workflow_id = source
         AND w.is_public AND NOT w.is_deleted
         AND w.workflow_id NOT IN (SELECT agentledger.unpublished())
         AND (w.created_by = runner OR agentledger.person_of(w.tenant_id, w.created_by)
                                     = agentledger.person_of(w.tenant_id, runner))))
$$;
REVOKE EXECUTE ON FUNCTION agentledger.shows_run FROM PUBLIC;
CREATE OR REPLACE FUNCTION agentledger.sees_execution(wanted uuid) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  SELECT EXISTS (
    SELECT FROM agentledger.{executions} AS e
     WHERE e.tenant_id = agentledger.current_tenant() AND e.execution_id = wanted
       AND (agentledger.current_person() IS NULL
            OR e.created_by = ANY (agentledger.own_actors())
            OR agentledger.shows_run(e.workflow_id, e.created_by)
            OR agentledger.shows_run(e.agent_id, e.created_by)))
$$
""")
POLICY = sql.SQL(
    "SELECT obj_description(oid, 'pg_policy') FROM pg_policy"
    " WHERE polrelid = {table}::regclass AND polname = 'own_only'"
)
DROP_POLICY = sql.SQL("DROP POLICY own_only ON {table}")


async def close_to_others(conn: AsyncConnection, projections: Iterator[AnyProjection]) -> None:
    """conn: in a transaction as agentledger_owner; all tables are there. Tables whose policy is
    missing, or of an older version, get the one of today.
    """
    for function, projection in (("sees_workflow", WORKFLOWS), ("sees_agent", AGENTS)):
        await conn.execute(
            SEES.format(
                function=sql.Identifier(function),
                table=sql.Identifier(projection.table),
                column=sql.Identifier(projection.stream_column),
            )
        )
    names = {
        "workflows": sql.Identifier(WORKFLOWS.table),
        "agents": sql.Identifier(AGENTS.table),
        "executions": sql.Identifier(EXECUTIONS.table),
    }
    await conn.execute(SETS.format(**names))
    await conn.execute(OWN_RUNS.format(**names, before=NEWER_THAN_ALL))
    await conn.execute(SEES_EXECUTION.format(**names))
    for projection in projections:
        await _close(conn, Tables(projection, projection.table))


async def _close(conn: AsyncConnection, tables: Tables) -> None:
    table = sql.Literal(tables.rows.as_string(None))
    found = await (await conn.execute(POLICY.format(table=table))).fetchone()
    if found == (tables.projection.own,):
        return
    if found is not None:
        await conn.execute(DROP_POLICY.format(table=tables.rows))
    await conn.execute(tables.own_only)
