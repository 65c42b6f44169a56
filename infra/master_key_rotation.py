"""Another master key: every data key is wrapped again, in small transactions, while processes that
know both keys serve.

    a key of the next version, made of the new master key ──► batches of keys ──► the old ones go

What is stored stays as it is: only the wraps of data keys change, one row for each tenant and each
data subject. Who dies on the way is begun again and goes on with what is left.
"""

import asyncio
from collections.abc import Callable
from typing import LiteralString

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import AsyncConnection

from domain.errors import Refused
from infra.crash_points import reach
from infra.key_encryption import (
    KNOWN,
    Derivation,
    Scope,
    WrappedKey,
    WrongMasterKey,
    new_derivation,
    unwrap,
    wrap,
)

BATCH_KEYS = 200
LOCK_KEY = 0x6167_6C72  # "aglr": one rotation at a time.

NEW_VERSION: LiteralString = (
    "INSERT INTO key_encryption_keys"
    " (key_version, salt, scrypt_n, scrypt_r, scrypt_p, iv, auth_tag)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s)"
)
LEFT: LiteralString = "SELECT count(*) FROM data_keys WHERE key_version <> %s"
# Keys that are being made or destroyed at this moment are left to the next batch.
BATCH: LiteralString = (
    "SELECT tenant_id, subject_id, encrypted_key, iv, auth_tag, key_version FROM data_keys"
    " WHERE key_version <> %s ORDER BY tenant_id, subject_id LIMIT %s FOR UPDATE"
)
REWRAP: LiteralString = (
    "UPDATE data_keys SET encrypted_key = %s, iv = %s, auth_tag = %s, key_version = %s, salt = %s"
    " WHERE tenant_id = %s AND subject_id = %s"
)
# Whoever is about to wrap a new tenant's key by one of these holds a lock on its row; after the
# wait it is seen what that one is wrapped by.
LOCK_OLD: LiteralString = (
    "SELECT key_version FROM key_encryption_keys WHERE key_version <> %s"
    " ORDER BY key_version FOR UPDATE"
)
RETIRE: LiteralString = (
    "DELETE FROM key_encryption_keys AS k WHERE k.key_version <> %s"
    " AND NOT EXISTS (SELECT FROM data_keys AS d WHERE d.key_version = k.key_version)"
)


class RotationRunning(Refused):
    """The master key is being changed by another process."""


async def rotate(
    conn: AsyncConnection,
    new_master_key: str,
    old_master_key: str,
    *,
    scrypt_n: int,
    on_progress: Callable[[int], None],
) -> int:
    """Returns how many data keys were wrapped again; on_progress is told so after each batch.
    Raises WrongMasterKey, RotationRunning. conn: of the owner, in autocommit.
    """
    locked = await (await conn.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_KEY,))).fetchone()
    if locked != (True,):
        raise RotationRunning
    try:
        keys, newest = await _keys(conn, new_master_key, old_master_key, scrypt_n)
        rewrapped = 0
        while True:
            while batch := await _rewrap(conn, keys, newest):
                rewrapped += batch
                on_progress(rewrapped)
            async with conn.transaction():
                await conn.execute(LOCK_OLD, (newest.key_version,))
                await conn.execute(RETIRE, (newest.key_version,))
            left = await (await conn.execute(LEFT, (newest.key_version,))).fetchone()
            if left == (0,):
                return rewrapped
    finally:
        await conn.execute("SELECT pg_advisory_unlock(%s)", (LOCK_KEY,))


async def _keys(
    conn: AsyncConnection, new_master_key: str, old_master_key: str, scrypt_n: int
) -> tuple[dict[int, AESGCM], Derivation]:
    """The key of each version, and the newest of the new master key, which is made unless an
    earlier try has made it.
    """
    keys: dict[int, AESGCM] = {}
    newest: Derivation | None = None
    versions = [0]
    for row in await (await conn.execute(KNOWN)).fetchall():
        derivation = Derivation(*row)
        versions.append(derivation.key_version)
        key = await asyncio.to_thread(derivation.derived, new_master_key)
        if key is not None:
            newest = derivation
        else:
            key = await asyncio.to_thread(derivation.derived, old_master_key)
        if key is None:
            raise WrongMasterKey(
                "AGENTLEDGER_MASTER_KEY_PREVIOUS is not the key that the data keys of this"
                " database are wrapped by"
            )
        keys[derivation.key_version] = key
    if newest is None:
        newest = await asyncio.to_thread(
            new_derivation, new_master_key, max(versions) + 1, scrypt_n=scrypt_n
        )
        key = await asyncio.to_thread(newest.derived, new_master_key)
        assert key is not None
        keys[newest.key_version] = key
        await conn.execute(
            NEW_VERSION,
            (
                newest.key_version,
                newest.salt,
                newest.scrypt_n,
                newest.scrypt_r,
                newest.scrypt_p,
                newest.iv,
                newest.auth_tag,
            ),
        )
    return keys, newest


async def _rewrap(conn: AsyncConnection, keys: dict[int, AESGCM], newest: Derivation) -> int:
    """One batch; how many."""
    async with conn.transaction():
        cursor = await conn.execute(BATCH, (newest.key_version, BATCH_KEYS))
        rows = await cursor.fetchall()
        for tenant_id, subject_id, *columns in rows:
            scope = Scope(tenant_id, subject_id)
            await _rewrap_one(conn, keys, newest, scope=scope, old=WrappedKey(*columns))
        reach("rotation.before_commit")
    reach("rotation.after_commit")
    return len(rows)


async def _rewrap_one(
    conn: AsyncConnection,
    keys: dict[int, AESGCM],
    newest: Derivation,
    *,
    scope: Scope,
    old: WrappedKey,
) -> None:
    data_key = unwrap(keys[old.key_version], old, scope)
    new = wrap(keys[newest.key_version], data_key, scope, newest.key_version)
    await conn.execute(REWRAP, (*new, newest.salt, *scope))
