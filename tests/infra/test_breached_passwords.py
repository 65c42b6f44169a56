"""Passwords that are known from breaches, asked of a server on loopback by the range protocol."""

import hashlib

import pytest

from infra.breached_passwords import BreachedPasswords
from infra.http_client import GuardedHttp
from infra.password_judge import InformedPasswordJudge
from tests.web_server import Answer, answer, web_server

PASSWORD = "correct horse battery"
DIGEST = hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).hexdigest().upper()
PATH, SUFFIX = f"/range/{DIGEST[:5]}", DIGEST[5:]
OTHER = "0" * 35


@pytest.mark.parametrize(
    ("told", "is_breached", "failures"),
    [
        (answer(body=f"{OTHER}:3\r\n{SUFFIX}:42\r\n".encode()), True, 0),
        (answer(body=f"{OTHER}:3\r\n".encode()), False, 0),
        (answer(body=f"{SUFFIX}:0\r\n".encode()), False, 0),  # It pads the answer.
        (answer(body=b"\xff\xfe nonsense\r\n:::\r\n"), False, 0),
        (answer(body=b""), False, 0),
        (answer(503), False, 1),
        (answer(302, Location="https://evil.example"), False, 1),
        (answer(body=b"x" * 600_000), False, 1),
    ],
    ids=["known", "unknown", "padding", "nonsense", "nothing", "away", "redirect", "huge"],
)
async def test_a_password_is_refused_when_it_is_known_and_taken_when_nobody_can_say(
    told: Answer, is_breached: bool, failures: int
) -> None:
    failed: list[None] = []
    async with web_server() as server:
        server.answers[PATH] = told
        http = GuardedHttp(allowed=frozenset({("127.0.0.1", server.port)}), connections_max=2)
        url = f"http://127.0.0.1:{server.port}"
        breached = BreachedPasswords(http, url, failed=lambda: failed.append(None))
        judge = InformedPasswordJudge(breached.is_breached)
        objection = await judge.objection(PASSWORD, ())
        await http.aclose()
        (asked,) = server.requests
    assert (objection is not None) is is_breached
    assert len(failed) == failures
    assert (asked.method, asked.target, asked.headers["add-padding"]) == ("GET", PATH, "true")
    assert DIGEST[5:] not in str(asked)
    assert PASSWORD not in str(asked)
