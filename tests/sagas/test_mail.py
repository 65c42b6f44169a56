"""Mail is sent once it is due, tried again with growing pauses, and given up in the end."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from commands.mail_port import DueMail, Mail, MailRefused, MailUnavailable
from domain.identifiers import TenantId
from sagas.mail import ATTEMPTS_MAX, PAUSE_MAX_S, PAUSE_MIN_S, MailSaga
from tests.commands.fakes import NOON, FakeClock

DUE = DueMail(
    TenantId(UUID(int=1)),
    UUID(int=2),
    Mail("ada@example.com", "Hello", "How are you?"),
    attempts_count=1,
    expires_at=NOON + timedelta(hours=1),
)


class _Outbox:
    """Has what it was given; remembers what was said of it."""

    def __init__(self, *due: DueMail) -> None:
        self._due = list(due)
        self.sent_ids: list[UUID] = []
        self.pauses: list[float | None] = []

    async def claim(self, lease_s: float) -> DueMail | None:
        assert lease_s > 0
        return self._due.pop(0) if self._due else None

    async def sent(self, mail: DueMail) -> None:
        self.sent_ids.append(mail.mail_id)

    async def failed(self, mail: DueMail, *, retry_in_s: float | None) -> None:
        assert mail.mail_id == DUE.mail_id
        self.pauses.append(retry_in_s)


class _Server:
    """Fails as often as it is told to."""

    def __init__(self, failures: Sequence[Exception] = ()) -> None:
        self._failures = list(failures)
        self.taken: list[tuple[Mail, UUID]] = []

    async def send(self, mail: Mail, message_id: UUID) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.taken.append((mail, message_id))


def _saga(outbox: _Outbox, server: _Server, clock: FakeClock | None = None) -> MailSaga:
    return MailSaga(outbox, server, clock or FakeClock(), poll_s=1)


async def test_a_due_mail_is_sent_under_its_own_id_and_removed() -> None:
    outbox, server = _Outbox(DUE), _Server()
    saga = _saga(outbox, server)
    assert await saga.work_once()
    assert not await saga.work_once()
    assert server.taken == [(DUE.mail, DUE.mail_id)]
    assert outbox.sent_ids == [DUE.mail_id]
    assert outbox.pauses == []


async def test_the_pauses_between_attempts_grow_up_to_a_limit_and_then_end() -> None:
    attempts = [replace(DUE, attempts_count=count) for count in range(1, ATTEMPTS_MAX + 1)]
    outbox = _Outbox(*attempts)
    saga = _saga(outbox, _Server([MailUnavailable("not now")] * ATTEMPTS_MAX))
    while await saga.work_once():
        pass
    *pauses, last = outbox.pauses
    assert pauses[:3] == [PAUSE_MIN_S, PAUSE_MIN_S * 2, PAUSE_MIN_S * 4]
    assert pauses[-1] == min(PAUSE_MIN_S * 2 ** (ATTEMPTS_MAX - 2), PAUSE_MAX_S)
    assert last is None
    assert outbox.sent_ids == []


@pytest.mark.parametrize("passed_h", [0, 2])
async def test_what_is_refused_or_too_late_is_not_tried_again(passed_h: int) -> None:
    clock = FakeClock()
    clock.pass_time(hours=passed_h)
    outbox, server = _Outbox(DUE), _Server([MailRefused("no such box")])
    await _saga(outbox, server, clock).work_once()
    assert outbox.pauses == [None]
    assert server.taken == []
