"""Failed attempts: each makes the next wait longer, for nobody for ever, and tell nothing."""

import asyncio
from itertools import count

import pytest

from commands.login_port import Attempt, AttemptKind
from infra import secrets_source
from infra.login_attempts import OF_ADDRESS, OF_SUBJECT
from tests.logins.stage import PASSWORD, Stage, unique_email
from tests.write_api.api import problem

WRONG = "a wrong password"
FREE = int(OF_SUBJECT.free)


NUMBERS = count(1)


def an_address() -> str:
    """Of a network that no other test uses."""
    return f"2001:db8:{next(NUMBERS):x}::1"


async def fail(login: Stage, email: str, times: int, address: str) -> None:
    for _ in range(times):
        problem(await login.login(email, WRONG, address=address), 401, "wrong_credentials")


async def wait_s(login: Stage, email: str, password: str, address: str) -> int:
    answer = await login.login(email, password, address=address)
    assert problem(answer, 429, "too_many_attempts") == []
    return int(answer.headers["retry-after"])


async def test_after_some_failures_even_the_right_password_has_to_wait(login: Stage) -> None:
    email, home = unique_email(), an_address()
    await login.a_tenant(email)
    await fail(login, email, FREE, home)
    before = login.secrets.runs_count
    assert await wait_s(login, email, PASSWORD, home) == 2
    assert login.secrets.runs_count == before
    login.clock.pass_time(seconds=2)
    await login.logged_in(email, address=home)
    # A success ends the count.
    await fail(login, email, FREE - 1, home)


async def test_each_failure_doubles_the_wait_up_to_a_quarter_of_an_hour(login: Stage) -> None:
    email = unique_email()
    await login.a_tenant(email)
    await fail(login, email, FREE, an_address())
    waits: list[int] = []
    for _ in range(12):
        waits.append(await wait_s(login, email, WRONG, an_address()))
        login.clock.pass_time(seconds=waits[-1])
        await fail(login, email, 1, an_address())
    assert waits[:3] == [2, 4, 8]
    assert sorted(waits) == waits
    assert max(waits) == OF_SUBJECT.wait_max_s


async def test_an_address_that_nobody_has_is_locked_out_like_any_other(login: Stage) -> None:
    known, unknown = unique_email(), unique_email()
    await login.a_tenant(known)
    told: list[object] = []
    for email in (known, unknown):
        home = an_address()
        await fail(login, email, FREE, home)
        answer = await login.login(email, WRONG, address=home)
        document = answer.json()
        del document["request_id"]
        told.append((answer.status_code, answer.headers["retry-after"], document))
    assert told[0] == told[1]


async def test_many_attempts_at_once_do_not_slip_through(login: Stage) -> None:
    email, home = unique_email(), an_address()
    await login.a_tenant(email)
    answers = await asyncio.gather(*(login.login(email, WRONG, address=home) for _ in range(20)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [401] * FREE + [429] * (20 - FREE)


async def test_somebody_else_cannot_lock_a_person_out_of_where_they_log_in(login: Stage) -> None:
    email, home = unique_email(), an_address()
    await login.a_tenant(email)
    await login.logged_in(email, address=home)
    await fail(login, email, FREE, an_address())
    await wait_s(login, email, PASSWORD, an_address())
    await login.logged_in(email, address=home)
    # Who guesses from there is held to the same count, apart from all others.
    await fail(login, email, FREE, home)
    await wait_s(login, email, PASSWORD, home)


async def test_the_wait_holds_in_another_process_and_after_a_restart(
    login: Stage, other: Stage
) -> None:
    email, home = unique_email(), an_address()
    await login.a_tenant(email)
    await fail(login, email, FREE, home)
    assert await wait_s(other, email, PASSWORD, home) == 2


async def test_an_address_that_tries_many_accounts_has_to_wait(login: Stage) -> None:
    for _ in range(int(OF_ADDRESS.free)):
        await fail(login, unique_email(), 1, "198.51.100.77")
    assert await wait_s(login, unique_email(), WRONG, "198.51.100.77") == 2
    # A whole IPv6 network is one address.
    for number in range(int(OF_ADDRESS.free)):
        await fail(login, unique_email(), 1, f"2001:db8:ffff:2::{number:x}")
    await wait_s(login, unique_email(), WRONG, "2001:db8:ffff:2:ffff::1")


async def test_failures_are_forgotten_with_time(login: Stage) -> None:
    email, home = unique_email(), an_address()
    await login.a_tenant(email)
    await fail(login, email, FREE - 1, home)
    login.clock.pass_time(seconds=OF_SUBJECT.decay_s)
    await fail(login, email, 1, home)
    await login.logged_in(email, address=home)


async def test_while_too_many_log_in_the_others_cost_neither_a_look_up_nor_a_hash(
    login: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = unique_email()
    await login.a_tenant(email)
    begun: list[str] = []
    attempts = login.logins.flow._ports.attempts
    begin = attempts.begin

    async def watched(kind: AttemptKind, subject: str, address: str) -> Attempt:
        begun.append(subject)
        return await begin(kind, subject, address)

    monkeypatch.setattr(attempts, "begin", watched)
    monkeypatch.setattr(secrets_source, "LOGINS_AT_ONCE_MAX", 2)
    before = login.secrets.runs_count
    answers = await asyncio.gather(
        *(login.login(unique_email(), "a wrong password") for _ in range(20))
    )
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (2, 18)
    assert len(begun) == 2
    assert login.secrets.runs_count - before <= 2
    problem(next(a for a in answers if a.status_code == 429), 429, "passwords_busy")
    await login.logged_in(email)
