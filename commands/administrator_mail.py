"""Mail to those who administer a tenant. Nothing in it lets anybody pay, see or do anything
without a credential.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from commands.mail_port import Mail, QueuedMail
from commands.ports import Ports
from domain.identifiers import TenantId
from domain.identity import User

# Of the administrators; nobody else would be told more by more of them.
RECIPIENTS_MAX = 20
LIFETIME = timedelta(days=3)


async def mail_to_administrators(
    ports: Ports, tenant_id: TenantId, subject: str, text: str
) -> Sequence[QueuedMail]:
    """Side rows. None where nobody writes mails, or nobody is there to read them."""
    mailbox = ports.mailbox
    if mailbox is None:
        return ()
    assert ports.users is not None, "this process knows no users"
    expires_at = ports.clock.now() + LIFETIME
    user_ids = (await ports.users.administrators(tenant_id))[:RECIPIENTS_MAX]
    users = await asyncio.gather(
        *(ports.events.load(User, user_id, tenant_id) for user_id in user_ids)
    )
    queued: list[QueuedMail] = []
    for user in users:
        if user is None:
            continue
        ports.events.keep(user, tenant_id)
        if not user.is_erased:
            mail = Mail(user.email, subject, text)
            queued.append(
                await mailbox.queued(tenant_id, mail, user_id=user.id, expires_at=expires_at)
            )
    return queued
