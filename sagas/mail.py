"""The mail saga: sends what waits in the outbox.

    claim ──► send ──► the row goes
                └────► later, a growing pause between; dead after ATTEMPTS_MAX, or when refused

Whoever dies between sending and removing the row sends it again, under the same Message-ID.
"""

import asyncio
import logging
from dataclasses import dataclass

from commands.mail_port import DueMail, MailOutbox, MailRefused, MailServer, MailUnavailable
from commands.ports import Clock

log = logging.getLogger(__name__)

ATTEMPTS_MAX = 10
PAUSE_MIN_S = 10.0
PAUSE_MAX_S = 3600.0
# Far longer than a server takes; when it runs out all the same, the mail may go twice.
LEASE_S = 120.0


@dataclass(frozen=True, slots=True)
class MailSaga:
    """poll_s: how often it is looked for mail when there was none."""

    outbox: MailOutbox
    server: MailServer
    clock: Clock
    poll_s: float

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            if not await self.work_once():
                await asyncio.sleep(self.poll_s)

    async def work_once(self) -> bool:
        """One mail. False: none is due."""
        due = await self.outbox.claim(LEASE_S)
        if due is None:
            return False
        if due.expires_at <= self.clock.now():
            log.error("mail %s is given up: it is too late for it", due.mail_id)
            await self.outbox.failed(due, retry_in_s=None)
            return True
        try:
            await self.server.send(due.mail, due.mail_id)
        except MailRefused as error:
            log.error("mail %s is given up: %s", due.mail_id, error)  # noqa: TRY400 # no address, no traceback
            await self.outbox.failed(due, retry_in_s=None)
        except MailUnavailable as error:
            await self._try_later(due, error)
        else:
            await self.outbox.sent(due)
        return True

    async def _try_later(self, due: DueMail, error: MailUnavailable) -> None:
        is_last = due.attempts_count >= ATTEMPTS_MAX
        if is_last:
            log.error("mail %s is given up after %d attempts: %s", due.mail_id, ATTEMPTS_MAX, error)
        else:
            log.warning("mail %s is tried later: %s", due.mail_id, error)
        pause_s = min(PAUSE_MIN_S * 2 ** (due.attempts_count - 1), PAUSE_MAX_S)
        await self.outbox.failed(due, retry_in_s=None if is_last else pause_s)
