"""Whether a password is known from breaches, asked of a server that speaks the range protocol of
Have I Been Pwned. It learns the first 20 bits of the SHA-1, which some hundreds of passwords share,
and `Add-Padding` hides from onlookers how many it knows of those.

When it cannot be asked the password is taken: nobody is to be without one because of it.
"""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable
from http import HTTPStatus

from commands.http_port import Http, HttpFailed, HttpRequest

PREFIX_CHARACTERS = 5
TIMEOUT_S = 3.0
ANSWER_BYTES_MAX = 512 * 1024

log = logging.getLogger(__name__)


class BreachedPasswords:
    """url: of the server, without a slash at the end. failed: told of each time that nobody could
    say.
    """

    def __init__(self, http: Http, url: str, *, failed: Callable[[], None]) -> None:
        self._http = http
        self._url = url
        self._failed = failed

    async def is_breached(self, password: str) -> bool:
        digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        prefix, suffix = digest[:PREFIX_CHARACTERS], digest[PREFIX_CHARACTERS:]
        try:
            answer = await self._http.send(_asking(f"{self._url}/range/{prefix}"))
        except HttpFailed as failure:
            return self._unknown(failure.code)
        if answer.status != HTTPStatus.OK.value:
            return self._unknown(f"status {answer.status}")
        return _has(answer.body.decode("ascii", errors="replace"), suffix)

    def _unknown(self, reason: str) -> bool:
        log.warning("whether a password is known from breaches cannot be asked: %s", reason)
        self._failed()
        return False


def _asking(url: str) -> HttpRequest:
    return HttpRequest(
        method="GET",
        url=url,
        headers={"Add-Padding": "true"},
        query=(),
        body=None,
        timeout_s=TIMEOUT_S,
        idempotency_key=secrets.token_urlsafe(16),
        response_bytes_max=ANSWER_BYTES_MAX,
        follows_redirects=False,
    )


def _has(listed: str, suffix: str) -> bool:
    """Lines of `<suffix>:<how often>`; those that pad say 0."""
    for line in listed.splitlines():
        told, _, times = line.strip().partition(":")
        if hmac.compare_digest(told.encode(), suffix.encode()):
            return times.strip() not in {"", "0"}
    return False
