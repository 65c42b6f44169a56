"""The SQL schema: numbered files, applied once each, in order, under an advisory lock, and never
edited afterwards.
"""

import hashlib
import hmac
from importlib import resources

import psycopg
from psycopg import AsyncConnection, sql

from domain.errors import Unavailable
from infra.crash_points import reach

LOCK_KEY = 0x6167_656E_746C_6467  # "agentldg": two migrations at once wait for each other.
LOGIN_ROLES = ("api", "writer", "tail", "relay", "projector", "worker")


# From here on there are columns of vectors.
NEEDS_VECTOR = "0102_templates.sql"


class MigrationChanged(Exception):
    """A migration that was applied has other content now."""


class ExtensionMissing(Unavailable):
    """PostgreSQL lacks the extension vector: install pgvector, or let a superuser create it."""

    code = "extension_missing"


def role_password(master_key: str, role: str) -> str:
    """The database password of a login role. Derived, so that processes need to share only the
    master key.
    """
    message = f"agentledger:database-role:{role}".encode()
    return hmac.new(master_key.encode(), message, hashlib.sha256).hexdigest()


def migration_files() -> list[tuple[str, str]]:
    """(name, SQL) in order."""
    files = resources.files(__name__).iterdir()
    return sorted((f.name, f.read_text("utf-8")) for f in files if f.name.endswith(".sql"))


async def migrate(database_url: str, *, master_key: str) -> list[str]:
    """Applies what is missing and returns its names. Idempotent; safe to run from several processes
    at once.
    """
    async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
        await conn.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        try:
            await _create_history(conn)
            applied = await _applied(conn)
            fresh = [(name, text) for name, text in migration_files() if name not in applied]
            if any(name >= NEEDS_VECTOR for name, _ in fresh):
                await _create_vector(conn)
            for name, text in fresh:
                await _apply(conn, name, text)
                reach("migration.after_commit")
            await conn.execute(
                "GRANT SELECT ON public.agentledger_migrations TO agentledger_api,"
                " agentledger_relay, agentledger_projector, agentledger_worker"
            )
            await _set_passwords(conn, master_key)
        finally:
            await conn.execute("SELECT pg_advisory_unlock(%s)", (LOCK_KEY,))
    return [name for name, _ in fresh]


async def pending(database_url: str) -> list[str]:
    """The migrations that have not been applied yet. The role `api` may ask, too."""
    async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
        row = await (
            await conn.execute("SELECT to_regclass('public.agentledger_migrations')")
        ).fetchone()
        applied = await _applied(conn) if row and row[0] else {}
    return [name for name, _ in migration_files() if name not in applied]


async def _create_history(conn: AsyncConnection) -> None:
    await conn.execute(
        "CREATE TABLE IF NOT EXISTS public.agentledger_migrations ("
        " name text PRIMARY KEY, sha256 text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )


async def _create_vector(conn: AsyncConnection) -> None:
    """As whoever migrates: only a superuser may, or whom the server lets. Raises
    ExtensionMissing.
    """
    try:
        await conn.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except (
        psycopg.errors.FeatureNotSupported,
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.UndefinedFile,
    ) as error:
        raise ExtensionMissing from error


async def _applied(conn: AsyncConnection) -> dict[str, str]:
    rows = await (
        await conn.execute("SELECT name, sha256 FROM public.agentledger_migrations")
    ).fetchall()
    applied = {str(name): str(sha256) for name, sha256 in rows}
    for name, text in migration_files():
        if name in applied and applied[name] != _sha256(text):
            raise MigrationChanged(name)
    return applied


async def _apply(conn: AsyncConnection, name: str, text: str) -> None:
    async with conn.transaction():
        # The first file makes the owner; from then on objects belong to it, not to whoever
        # migrates.
        if name > "0001_roles.sql":
            await conn.execute("SET LOCAL ROLE agentledger_owner")
        await conn.execute(sql.SQL(text))  # pyright: ignore[reportArgumentType] # our own files
        await conn.execute("RESET ROLE")
        await conn.execute(
            "INSERT INTO public.agentledger_migrations (name, sha256) VALUES (%s, %s)",
            (name, _sha256(text)),
        )
        reach("migration.before_commit")


async def _set_passwords(conn: AsyncConnection, master_key: str) -> None:
    for role in LOGIN_ROLES:
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(
            sql.Identifier(f"agentledger_{role}"), sql.Literal(role_password(master_key, role))
        )
        try:
            await conn.execute(statement)
        except psycopg.errors.InternalError as error:
            # Roles belong to the whole cluster: another database's migration set the same row at
            # this moment.
            if "concurrently updated" not in str(error):
                raise


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
