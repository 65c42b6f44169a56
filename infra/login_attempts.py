"""How often it may be tried to log in, counted in PostgreSQL for all processes and across restarts.

An attempt counts as failed before it is looked at, and is taken back when it was right. After some
failures each one makes the next wait twice as long, up to a limit; failures are forgotten with
time. What does not exist is counted like what does, and a wait looks the same for both.

Nobody is locked out for ever by somebody else's failures: the wait is bounded, and from an address
where the person logged in before, only failures from that address count.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import LiteralString

from psycopg import AsyncConnection

from commands.login_port import Attempt, AttemptKind
from commands.ports import Clock
from domain.errors import OverLimit
from infra.postgres import Database

IPV6_NETWORK_BITS = 64
IPV4 = 4
# How long an address is known where somebody logged in.
KNOWN_DAYS = 90

# fmt: off
COUNT: LiteralString = (
    "WITH backoff AS (SELECT %(now)s::timestamptz AS at, %(free)s::float8 AS free,"
    "   %(decay_s)s::float8 AS decay_s, %(wait_min_s)s::float8 AS min_s,"
    "   %(wait_max_s)s::float8 AS max_s),"
    " old AS (SELECT * FROM login_attempts WHERE attempt_key = %(key)s),"
    " counted AS (SELECT 1 + greatest(0, coalesce((SELECT o.failures"
    "    - greatest(0, extract(epoch FROM b.at - o.counted_at)::float8) / b.decay_s"
    "    FROM old AS o), 0))"
    "   AS failures, b.* FROM backoff AS b)"
    " INSERT INTO login_attempts AS a (attempt_key, failures, counted_at, blocked_until)"
    " SELECT %(key)s, c.failures, c.at, CASE WHEN c.failures < c.free THEN '-infinity' ELSE"
    "   c.at + make_interval(secs =>"
    "     least(c.max_s, c.min_s * power(2, least(c.failures - c.free, 30)))) END"
    " FROM counted AS c"
    " ON CONFLICT (attempt_key) DO UPDATE SET failures = EXCLUDED.failures,"
    "   counted_at = EXCLUDED.counted_at, blocked_until = EXCLUDED.blocked_until"
    " WHERE a.blocked_until <= EXCLUDED.counted_at"
    " RETURNING a.failures"
)
LOCK: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
BLOCKED_UNTIL: LiteralString = (
    "SELECT blocked_until FROM login_attempts WHERE attempt_key = %s"
)
IS_KNOWN: LiteralString = (
    "SELECT EXISTS (SELECT FROM login_attempts WHERE attempt_key = %s"
    " AND counted_at > %s::timestamptz - make_interval(days => %s))"
)
FORGET: LiteralString = "DELETE FROM login_attempts WHERE attempt_key = %s"
KNOW: LiteralString = (
    "INSERT INTO login_attempts (attempt_key, failures, counted_at, blocked_until)"
    " VALUES (%(key)s, 0, %(now)s, '-infinity')"
    " ON CONFLICT (attempt_key) DO UPDATE SET failures = 0, counted_at = %(now)s,"
    "  blocked_until = '-infinity'"
)
TAKE_BACK: LiteralString = (
    "UPDATE login_attempts SET failures = greatest(0, failures - 1), blocked_until = '-infinity'"
    " WHERE attempt_key = %s"
)
# fmt: on


class TooManyAttempts(OverLimit):
    """Too many attempts failed; wait before the next one."""

    code = "too_many_attempts"


@dataclass(frozen=True, slots=True)
class Backoff:
    """free: so many failures cost nothing. decay_s: after so long one of them is forgotten."""

    free: float
    decay_s: float
    wait_min_s: float
    wait_max_s: float


OF_SUBJECT = Backoff(free=5, decay_s=3600, wait_min_s=2, wait_max_s=900)
# Many people may share one.
OF_ADDRESS = Backoff(free=30, decay_s=30, wait_min_s=2, wait_max_s=300)


class PostgresAttempts:
    """Implements commands.login_port.Attempts. database: the role `api`."""

    def __init__(self, database: Database, master_key: str, clock: Clock) -> None:
        self._database = database
        message = b"agentledger:login-attempts"
        self._key = hmac.digest(master_key.encode(), message, hashlib.sha256)
        self._clock = clock

    async def begin(self, kind: AttemptKind, subject: str, address: str) -> Attempt:
        now = self._clock.now()
        network = network_of(address)
        known_key = self._hash("known", kind, subject, network)
        async with self._database.connection() as conn, conn.transaction():
            is_known = await self._is_known(conn, known_key, now)
            subject_key = known_key if is_known else self._hash("subject", kind, subject)
            # Always in this order, so that two attempts never wait for each other.
            keys = (subject_key, self._hash("address", kind, network))
            for key, backoff in zip(keys, (OF_SUBJECT, OF_ADDRESS), strict=True):
                await self._count(conn, key, backoff, now)
        return Attempt(keys, known_key if kind == "password" else None)

    async def succeeded(self, attempt: Attempt) -> None:
        subject_key, address_key = attempt.keys
        async with self._database.connection() as conn, conn.transaction():
            await conn.execute(FORGET, (subject_key,))
            if attempt.known_key is not None:
                now = self._clock.now()
                await conn.execute(KNOW, {"key": attempt.known_key, "now": now})
            await conn.execute(TAKE_BACK, (address_key,))

    async def _is_known(self, conn: AsyncConnection, key: bytes, now: datetime) -> bool:
        row = await (await conn.execute(IS_KNOWN, (key, now, KNOWN_DAYS))).fetchone()
        return row is not None and bool(row[0])

    async def _count(
        self, conn: AsyncConnection, key: bytes, backoff: Backoff, now: datetime
    ) -> None:
        """Raises TooManyAttempts, which takes back what the transaction counted."""
        # The first two of a key would not see each other's row.
        await conn.execute(LOCK, (key.hex(),))
        counted = await (
            await conn.execute(
                COUNT,
                {
                    "key": key,
                    "now": now,
                    "free": backoff.free,
                    "decay_s": backoff.decay_s,
                    "wait_min_s": backoff.wait_min_s,
                    "wait_max_s": backoff.wait_max_s,
                },
            )
        ).fetchone()
        if counted is None:
            row = await (await conn.execute(BLOCKED_UNTIL, (key,))).fetchone()
            until: datetime = now if row is None else row[0]
            raise TooManyAttempts(retry_after_s=max(1.0, (until - now).total_seconds()))

    def _hash(self, *parts: str) -> bytes:
        """Of parts that cannot run into each other."""
        message = b"".join(len(part).to_bytes(4) + part.encode() for part in parts)
        return hmac.digest(self._key, message, hashlib.sha256)


def network_of(address: str) -> str:
    """An IPv6 caller owns a whole network of addresses, so it counts as one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if parsed.version == IPV4:
        return address
    return str(int(parsed) >> (128 - IPV6_NETWORK_BITS))
