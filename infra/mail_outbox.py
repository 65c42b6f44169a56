"""Mails that wait to be sent: sealed by the process that decides, opened by the worker that sends.

The row is stored with the events (infra/side_rows.py), so neither exists without the other.
"""

from datetime import datetime
from typing import LiteralString
from uuid import UUID

import orjson

from commands.mail_port import DueMail, Mail, QueuedMail
from commands.ports import Ids
from commands.sealing_port import Sealing
from domain.identifiers import TenantId
from infra.postgres import Database

PURPOSE = "mail"

# fmt: off
CLAIM: LiteralString = (
    "UPDATE mail_outbox SET attempts = attempts + 1,"
    "  due_at = clock_timestamp() + make_interval(secs => %s)"
    " WHERE (tenant_id, mail_id) = (SELECT tenant_id, mail_id FROM mail_outbox"
    "   WHERE due_at <= clock_timestamp() AND dead_at IS NULL"
    "   ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
    " RETURNING tenant_id, mail_id, sealed, attempts, expires_at"
)
SENT: LiteralString = "DELETE FROM mail_outbox WHERE tenant_id = %s AND mail_id = %s"
RETRY: LiteralString = (
    "UPDATE mail_outbox SET due_at = clock_timestamp() + make_interval(secs => %s)"
    " WHERE tenant_id = %s AND mail_id = %s"
)
GIVE_UP: LiteralString = (
    "UPDATE mail_outbox SET dead_at = clock_timestamp(), sealed = ''"
    " WHERE tenant_id = %s AND mail_id = %s"
)
# fmt: on


class SealedMailbox:
    """Implements commands.mail_port.Mailbox."""

    def __init__(self, keys: Sealing, ids: Ids, *, has_server: bool) -> None:
        self.has_server = has_server
        self._keys = keys
        self._ids = ids

    async def queued(
        self, tenant_id: TenantId, mail: Mail, *, user_id: UUID, expires_at: datetime
    ) -> QueuedMail:
        mail_id = self._ids.new()
        content = orjson.dumps([mail.to, mail.subject, mail.text])
        sealed = await self._keys.seal(tenant_id, PURPOSE, content, str(mail_id))
        return QueuedMail(mail_id, user_id, sealed, expires_at)


class PostgresMailOutbox:
    """Implements commands.mail_port.MailOutbox. database: the role `worker`."""

    def __init__(self, database: Database, keys: Sealing) -> None:
        self._database = database
        self._keys = keys

    async def claim(self, lease_s: float) -> DueMail | None:
        async with self._database.connection() as conn:
            row = await (await conn.execute(CLAIM, (lease_s,))).fetchone()
        if row is None:
            return None
        tenant_id, mail_id, sealed, attempts_count, expires_at = row
        content = await self._keys.open(tenant_id, PURPOSE, bytes(sealed), str(mail_id))
        mail = Mail(*orjson.loads(content))
        return DueMail(TenantId(tenant_id), mail_id, mail, attempts_count, expires_at)

    async def sent(self, mail: DueMail) -> None:
        await self._execute(SENT, mail.tenant_id, mail.mail_id)

    async def failed(self, mail: DueMail, *, retry_in_s: float | None) -> None:
        if retry_in_s is None:
            await self._execute(GIVE_UP, mail.tenant_id, mail.mail_id)
        else:
            await self._execute(RETRY, retry_in_s, mail.tenant_id, mail.mail_id)

    async def _execute(self, statement: LiteralString, *params: float | UUID) -> None:
        async with self._database.connection() as conn:
            await conn.execute(statement, params)
