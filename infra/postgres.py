"""Connections to PostgreSQL: one pool per database role, and the tenant that a statement or
transaction is bound to.

Tenant isolation is the database's work (row-level security); this file is the only place that names
the tenant to it.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal, LiteralString
from uuid import UUID
from weakref import WeakKeyDictionary

import orjson
from psycopg import OperationalError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from domain.errors import Unavailable
from domain.identifiers import JsonObject, TenantId
from infra.connections import Connection
from infra.migrations import role_password
from infra.tenant_statements import TenantStatements

Role = Literal["api", "writer", "tail", "relay", "projector", "worker"]

set_json_dumps(orjson.dumps)
set_json_loads(orjson.loads)


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached."""


def role_conninfo(
    database_url: str, role: Role, *, master_key: str, statement_timeout_s: float
) -> str:
    """The connection string of a login role on the server of `database_url`, with the limits every
    session has.

    idle_in_transaction: an open transaction holds back every reader of the log, so it may not
    sleep.
    """
    parts = conninfo_to_dict(database_url)
    parts["user"] = f"agentledger_{role}"
    parts["password"] = role_password(master_key, role)
    parts["application_name"] = f"agentledger {role}"
    parts["options"] = " ".join(
        [
            "-c search_path=agentledger,pg_catalog",
            f"-c statement_timeout={int(statement_timeout_s * 1000)}",
            "-c idle_in_transaction_session_timeout=10000",
            "-c timezone=UTC",
            "-c jit=off",
        ]
    )
    return make_conninfo("", **{key: value for key, value in parts.items() if value is not None})


class Database:
    """The pool of one role. Every method raises DatabaseUnavailable when no connection can be had
    in time.
    """

    def __init__(
        self, conninfo: str, *, pool_size_max: int, checkout_timeout_s: float = 10
    ) -> None:
        self.conninfo = conninfo
        self._pool = AsyncConnectionPool(
            conninfo,
            min_size=1,
            max_size=pool_size_max,
            timeout=checkout_timeout_s,
            open=False,
            connection_class=Connection,
            kwargs={"autocommit": True, "prepare_threshold": 2},
            reconnect_timeout=60,
        )
        self._statements: WeakKeyDictionary[Connection, TenantStatements] = WeakKeyDictionary()

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """An autocommit connection without a tenant, whatever its last user left behind."""
        async with self.shared() as conn:
            await conn.execute("RESET ALL")
            yield conn

    @asynccontextmanager
    async def shared(self) -> AsyncGenerator[Connection]:
        """As its last user left it, which saves a round trip: for statements that name their tenant
        themselves.
        """
        try:
            async with self._pool.connection() as conn:
                yield conn
        except (OperationalError, PoolTimeout) as error:
            raise DatabaseUnavailable from error

    @asynccontextmanager
    async def tenant_transaction(self, tenant_id: TenantId) -> AsyncGenerator[Connection]:
        """A transaction that sees one tenant; the setting ends with it."""
        async with self.shared() as conn, conn.transaction():
            await conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant_id),))
            yield conn

    async def tenant_json(
        self,
        tenant_id: TenantId,
        query: LiteralString,
        params: JsonObject,
        *,
        person: UUID | None = None,
        is_kept: bool = False,
    ) -> bytes | None:
        """The one text or JSON value of `query` for one tenant, in one round trip.

        query sees its parameters as $1, a jsonb object: `($1->>'id')::uuid`. person: who sees only
        what is theirs; None sees the whole tenant. is_kept: its best plan is the same for all
        parameters, so it is prepared where it is asked again.
        """
        tenant, whose = str(tenant_id).encode(), b"" if person is None else str(person).encode()
        async with self.shared() as conn:
            statements = self._statements.get(conn)
            if statements is None:
                statements = self._statements[conn] = TenantStatements(conn)
            return await statements.value(
                query, orjson.dumps(params), tenant=tenant, person=whose, is_kept=is_kept
            )

    def sizes(self) -> dict[str, int]:
        """Pool statistics, for metrics."""
        return self._pool.get_stats()
