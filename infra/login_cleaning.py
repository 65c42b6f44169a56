"""Removes what logins leave behind and nobody needs any more: sessions that are over with all their
refresh tokens, reset tokens and attempts of the past, mail that was given up long ago.

Done by every worker, a page at a time; two at once remove nothing twice.
"""

import asyncio
from dataclasses import dataclass
from typing import LiteralString

from infra.postgres import Database

PAGE = 1000
PAUSE_S = 600.0

# fmt: off
SESSIONS: LiteralString = (
    "WITH over AS (DELETE FROM sessions WHERE (tenant_id, session_id) IN"
    "  (SELECT tenant_id, session_id FROM sessions"
    "    WHERE expires_at < clock_timestamp() - interval '1 day'"
    "    ORDER BY expires_at LIMIT %s) RETURNING tenant_id, session_id),"
    " tokens AS (DELETE FROM refresh_tokens AS t USING over AS o"
    "  WHERE t.tenant_id = o.tenant_id AND t.session_id = o.session_id)"
    " SELECT count(*) FROM over"
)
RESET_TOKENS: LiteralString = (
    "WITH gone AS (DELETE FROM reset_tokens WHERE (tenant_id, token_hash) IN"
    "  (SELECT tenant_id, token_hash FROM reset_tokens"
    "    WHERE expires_at < clock_timestamp() - interval '1 day' LIMIT %s) RETURNING true)"
    " SELECT count(*) FROM gone"
)
# Those without failures say where somebody logged in before; see infra/login_attempts.py.
ATTEMPTS: LiteralString = (
    "WITH gone AS (DELETE FROM login_attempts WHERE attempt_key IN"
    "  (SELECT attempt_key FROM login_attempts WHERE counted_at < clock_timestamp()"
    "     - CASE WHEN failures > 0 THEN interval '1 day' ELSE interval '90 days' END"
    "    LIMIT %s) RETURNING true)"
    " SELECT count(*) FROM gone"
)
MAIL: LiteralString = (
    "WITH gone AS (DELETE FROM mail_outbox WHERE (tenant_id, mail_id) IN"
    "  (SELECT tenant_id, mail_id FROM mail_outbox"
    "    WHERE dead_at < clock_timestamp() - interval '30 days' LIMIT %s) RETURNING true)"
    " SELECT count(*) FROM gone"
)
# fmt: on
STATEMENTS = (SESSIONS, RESET_TOKENS, ATTEMPTS, MAIL)


@dataclass(frozen=True, slots=True)
class LoginCleaning:
    """database: the role `worker`."""

    database: Database

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            if not await self.work_once():
                await asyncio.sleep(PAUSE_S)

    async def work_once(self) -> bool:
        """A page of each kind. False: there is not a whole page left of any."""
        counts: list[int] = []
        for statement in STATEMENTS:
            async with self.database.connection() as conn:
                row = await (await conn.execute(statement, (PAGE,))).fetchone()
            counts.append(0 if row is None else row[0])
        return max(counts) >= PAGE
