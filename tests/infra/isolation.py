"""What must hold of every table, view, function and role, read from the catalogue of a database:
tests run it on the real schema, and on schemas that were broken on purpose.
"""

from dataclasses import dataclass

from psycopg import AsyncConnection

SCHEMA = "agentledger"
OWNER = "agentledger_owner"

# Keys that span tenants, each with the reason. A conflict with another tenant's key would tell that
# it exists, so what is not listed must contain tenant_id. Ids are random enough not to be met.
KEYS_ACROSS_TENANTS = {
    "events": "a stream has one tenant for ever; its id is drawn here or is the hash of a command",
    "open_executions": "the id of the run's stream",
    "open_bulk_operations": "the id of the operation's stream",
    "snapshots": "the id of the snapshot's stream",
    "dead_letters": "the id of the parked stream",
    "api_key_hashes": "a credential is found before its tenant is known",
}

# What is open to all rows is open to roles that serve all tenants, and never to the API's.
ROLES_OF_ALL_TENANTS = frozenset(
    f"agentledger_{name}" for name in ("owner", "projector", "relay", "tail", "worker", "writer")
)

TABLES = """
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname = 'agentledger' AND c.relkind IN ('r', 'p')
   AND EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'
                  AND NOT a.attisdropped)
 ORDER BY c.relname
"""
NULLABLE = """
SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_attribute AS a ON a.attrelid = c.oid
 WHERE n.nspname = 'agentledger' AND c.relkind IN ('r', 'p') AND a.attname = 'tenant_id'
   AND NOT (a.attnotnull AND format_type(a.atttypid, NULL) = 'uuid')
"""
KEYS = """
SELECT c.relname, i.indexrelid::regclass::text
  FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_attribute AS t ON t.attrelid = c.oid AND t.attname = 'tenant_id'
 WHERE n.nspname = 'agentledger' AND i.indisunique AND NOT (t.attnum = ANY(i.indkey::int2[]))
"""
FOREIGN_KEYS = """
SELECT c.conrelid::regclass::text, c.conname FROM pg_constraint AS c
  JOIN pg_namespace AS n ON n.oid = c.connamespace
  JOIN pg_attribute AS t ON t.attrelid = c.conrelid AND t.attname = 'tenant_id'
 WHERE n.nspname = 'agentledger' AND c.contype = 'f' AND NOT (t.attnum = ANY(c.conkey))
"""
OPEN = """
SELECT tablename, policyname, role FROM pg_policies, unnest(roles) AS role
 WHERE schemaname = 'agentledger' AND permissive = 'PERMISSIVE'
   AND (coalesce(qual, 'true') = 'true' AND cmd <> 'INSERT' OR coalesce(with_check, '') = 'true')
"""
# A policy that is no floor and binds to no tenant is open, however it is written.
UNBOUND = """
SELECT tablename, policyname, role FROM pg_policies, unnest(roles) AS role
 WHERE schemaname = 'agentledger' AND permissive = 'PERMISSIVE'
   AND coalesce(qual, with_check) NOT LIKE '%current_tenant()%'
"""
FLOORS = """
SELECT t.relname FROM pg_class AS t JOIN pg_namespace AS n ON n.oid = t.relnamespace
  JOIN pg_roles AS r ON r.rolname = 'agentledger_api'
 WHERE n.nspname = 'agentledger' AND t.relkind IN ('r', 'p')
   AND EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = t.oid AND a.attname = 'tenant_id')
   AND (has_table_privilege(r.oid, t.oid, 'SELECT, INSERT, UPDATE, DELETE')
        OR has_any_column_privilege(r.oid, t.oid, 'SELECT, INSERT, UPDATE'))
   AND NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = t.oid AND NOT p.polpermissive
                      AND p.polcmd = '*' AND r.oid = ANY(p.polroles))
"""
VIEWS = """
SELECT c.relname, c.relkind FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname = 'agentledger'
   AND (c.relkind = 'v' AND NOT coalesce(c.reloptions, '{}') @> '{security_invoker=true}'
        OR c.relkind = 'm')
"""
DEFINERS = """
SELECT p.proname, r.rolsuper,
       coalesce(array_to_string(p.proconfig, ' '), '') ~ 'search_path=("")?( |$)',
       EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
                WHERE a.grantee = 0)
  FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
  JOIN pg_roles AS r ON r.oid = p.proowner
 WHERE n.nspname = 'agentledger' AND p.prosecdef
"""
ROLES = """
SELECT rolname FROM pg_roles WHERE rolname LIKE 'agentledger\\_%'
   AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
        OR (rolname <> 'agentledger_owner') <> rolcanlogin)
"""
MEMBERS = """
SELECT m.rolname, g.rolname FROM pg_auth_members AS a JOIN pg_roles AS m ON m.oid = a.member
  JOIN pg_roles AS g ON g.oid = a.roleid WHERE m.rolname LIKE 'agentledger\\_%'
"""
OWNED = """
SELECT c.relname, r.rolname FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner
 WHERE r.rolname LIKE 'agentledger\\_%' AND r.rolname <> 'agentledger_owner'
   AND c.relpersistence <> 't'
"""
GRANTS = """
SELECT c.relname, a.privilege_type, coalesce(r.rolname, 'PUBLIC')
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace,
       aclexplode(c.relacl) AS a LEFT JOIN pg_roles AS r ON r.oid = a.grantee
 WHERE n.nspname = 'agentledger' AND a.grantee <> c.relowner
   AND (a.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN') OR a.grantee = 0)
"""
CREATORS = """
SELECT rolname FROM pg_roles
 WHERE rolname LIKE 'agentledger\\_%' AND rolname <> 'agentledger_owner'
   AND has_schema_privilege(oid, 'agentledger', 'CREATE')
"""


async def rows(conn: AsyncConnection, query: str) -> list[tuple[str, ...]]:
    return [tuple(row) for row in await (await conn.execute(query.encode())).fetchall()]


async def tenant_tables(conn: AsyncConnection) -> list[str]:
    return [name for name, _, _ in await rows(conn, TABLES)]


async def violations(conn: AsyncConnection) -> list[str]:
    """One sentence each; empty when tenants are apart as far as the catalogue tells."""
    return [
        *[f"{t} does not force row security" for t, on, forced in await rows(conn, TABLES)
          if not (on and forced)],
        *[f"{t}.tenant_id may be null or is no uuid" for (t,) in await rows(conn, NULLABLE)],
        *[f"{key} of {t} spans tenants" for t, key in await rows(conn, KEYS)
          if t not in KEYS_ACROSS_TENANTS],
        *[f"{key} of {t} refers across tenants" for t, key in await rows(conn, FOREIGN_KEYS)],
        *[f"{policy} of {t} is open to {role}"
          for t, policy, role in {*await rows(conn, OPEN), *await rows(conn, UNBOUND)}
          if role not in ROLES_OF_ALL_TENANTS],
        *[f"{t} has no floor under the API's role" for (t,) in await rows(conn, FLOORS)],
        *[f"{view} is a view with its owner's rights" for view, _ in await rows(conn, VIEWS)],
        *[f"{name} is a definer's function without a guard"
          for name, is_super, is_pathless, is_public in await rows(conn, DEFINERS)
          if is_super or not is_pathless or is_public],
        *[f"{role} has an attribute it must not have" for (role,) in await rows(conn, ROLES)],
        *[f"{member} may become {role}" for member, role in await rows(conn, MEMBERS)],
        *[f"{role} owns {name}" for name, role in await rows(conn, OWNED)],
        *[f"{role} holds {right} on {t}" for t, right, role in await rows(conn, GRANTS)],
        *[f"{role} may create in the schema" for (role,) in await rows(conn, CREATORS)],
    ]  # fmt: skip


# The matrix of behaviour.

VERBS = (
    "select",
    "insert own",
    "insert foreign",
    "update foreign",
    "update own to foreign",
    "delete foreign",
    "upsert foreign",
    "merge foreign",
    "truncate",
)
CONTEXTS = ("own", "other", "unset", "empty", "random", "garbage")
NO_PRIVILEGE = "42501"
NO_UUID = "22P02"

# Runs a statement with a tenant set, undoes it, and answers with the count of rows or the SQLSTATE.
ATTEMPT = """
CREATE SCHEMA IF NOT EXISTS attempts;
CREATE OR REPLACE FUNCTION attempts.attempt(tenant text, statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
  IF tenant IS NOT NULL THEN PERFORM pg_catalog.set_config('app.tenant_id', tenant, true); END IF;
  EXECUTE statement;
  GET DIAGNOSTICS n = ROW_COUNT;
  RAISE EXCEPTION USING ERRCODE = 'ZZ000', MESSAGE = n::text;
EXCEPTION
  WHEN SQLSTATE 'ZZ000' THEN RETURN SQLERRM;
  WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
GRANT USAGE ON SCHEMA attempts TO PUBLIC;
"""
PRIMARY_KEY = """
SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'
"""
OPEN_FOR = """
SELECT tablename, cmd FROM pg_policies
 WHERE schemaname = 'agentledger' AND permissive = 'PERMISSIVE' AND %s = ANY(roles)
   AND coalesce(qual, with_check) NOT LIKE '%%current_tenant()%%'
"""


@dataclass(frozen=True)
class Cell:
    table: str
    verb: str
    context: str
    statement: str


def command_of(verb: str) -> str:
    """The command whose policies decide about the verb."""
    first = verb.partition(" ")[0]
    return {"upsert": "INSERT", "merge": "DELETE"}.get(first, first.upper())


def is_apart(verb: str, context: str, answer: str) -> bool:
    """Whether an answer to somebody bound to one tenant keeps the tenants apart."""
    if verb == "truncate":
        return answer == NO_PRIVILEGE
    if verb == "insert own":
        return context == "own" or answer in {NO_PRIVILEGE, NO_UUID}
    if context == "other" and verb != "update own to foreign":
        return True  # The tenant itself is asking; what it may do is not the subject.
    if verb in {"insert foreign", "upsert foreign"}:
        return answer in {NO_PRIVILEGE, NO_UUID}
    if verb == "update own to foreign":
        return answer in {"0", NO_PRIVILEGE, NO_UUID}
    return answer in {"0", NO_PRIVILEGE, NO_UUID}


async def answers_of(
    conn: AsyncConnection, cells: list[Cell], contexts: dict[str, str | None]
) -> list[str]:
    """One round trip for all of them. Those without a tenant go first, while none was ever set."""
    cursor = await conn.execute(
        "SELECT attempts.attempt(tenant, statement)"
        " FROM unnest(%s::text[], %s::text[]) AS u(tenant, statement)",
        ([contexts[cell.context] for cell in cells], [cell.statement for cell in cells]),
    )
    return [str(row[0]) for row in await cursor.fetchall()]
