"""Who made a trigger is written when it paused itself: nobody else would notice that runs do not
begin any more.
"""

from collections.abc import Sequence
from uuid import UUID

from commands.administrator_mail import LIFETIME, mail_to_administrators
from commands.decisions import Tenancy
from commands.mail_port import Mail, QueuedMail
from domain.identity import User
from domain.triggers import Trigger

SUBJECT = "A trigger was paused"
FAILED = """\
A trigger has paused itself: {count} of its runs failed one after the other.
"""
REFUSED = """\
A trigger has paused itself: its next run was refused ({reason}), and the ones after it would be.
"""
WHERE = """
Trigger: {trigger_id}
Of the workflow: {workflow_id}

To see what it did last, ask POST /graphql with a credential of your tenant:
{{ trigger(id: "{trigger_id}") {{ name pauseReason lastStatus last }} }}

It begins no more runs until somebody says so: POST /api/v1/triggers/{trigger_id}/resume
"""
PERSON = "user:"


async def pause_notices(trigger: Trigger, reason: str, on: Tenancy) -> Sequence[QueuedMail]:
    """Side rows for the append in which it paused itself. Of a key, or of somebody who is not
    active, the administrators are told.
    """
    text = (FAILED if reason == "failures" else REFUSED) + WHERE
    told = text.format(
        count=trigger.failures_in_a_row,
        reason=reason,
        trigger_id=trigger.id,
        workflow_id=trigger.workflow_id,
    )
    mailbox = on.ports.mailbox
    owner = await _owner(trigger, on)
    if mailbox is None or owner is None:
        return await mail_to_administrators(on.ports, on.tenant_id, SUBJECT, told)
    expires_at = on.ports.clock.now() + LIFETIME
    mail = Mail(owner.email, SUBJECT, told)
    return [await mailbox.queued(on.tenant_id, mail, user_id=owner.id, expires_at=expires_at)]


async def _owner(trigger: Trigger, on: Tenancy) -> User | None:
    """None: it is nobody whom a mail would reach."""
    if not trigger.created_by.startswith(PERSON):
        return None
    user_id = UUID(trigger.created_by.removeprefix(PERSON))
    user = await on.ports.events.load(User, user_id, on.tenant_id)
    if user is None:
        return None
    on.keep(user)
    return user if user.is_active and not user.is_erased else None
