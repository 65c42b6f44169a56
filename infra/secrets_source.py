"""API keys and password hashes: the randomness and the slow work behind commands.ports.Secrets.

    al_<key id: 8 base62>_<secret: 30 base62, 178 bits><CRC32 of all before it: 6 base62>

The checksum lets a mistyped or invented key be refused, and a leaked one be recognised, without a
look-up.
"""

import asyncio
import hashlib
import os
import secrets
import string
import sys
import zlib
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import bcrypt

from commands.ports import NewApiKey
from domain.errors import OverLimit
from domain.logins import PASSWORD_BYTES_MAX, canonical_password

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
PREFIX = "al_"
KEY_ID_CHARACTERS = 8
SECRET_CHARACTERS = 30
CHECKSUM_CHARACTERS = 6
KEY_ID_END = len(PREFIX) + KEY_ID_CHARACTERS
API_KEY_CHARACTERS = KEY_ID_END + 1 + SECRET_CHARACTERS + CHECKSUM_CHARACTERS
# bcrypt keeps a core busy: more at once would only starve the event loop.
PASSWORD_HASHES_AT_ONCE = max(1, (os.cpu_count() or 1) // 2)
PASSWORD_HASHES_WAITING_MAX = 32
# Fewer, so that there is room for passwords that are being set. A few seconds of work; who comes
# while so many are under way is turned away before anything is asked of the database.
LOGINS_AT_ONCE_MAX = 12
# Added to that of the process: a tenth of the weight. With much more, nobody would get in while
# other work keeps the cores busy.
PASSWORD_NICENESS = 10
BUSY_RETRY_AFTER_S = 2.0
# Of no password: what is compared with when there is no account.
NOBODY = b"nobody has this password"


Answer = TypeVar("Answer")


class PasswordsBusy(OverLimit):
    """Too many passwords are being checked; try again in a moment."""

    code = "passwords_busy"


class SecretsSource:
    """Implements commands.ports.Secrets."""

    def __init__(self, *, bcrypt_cost: int) -> None:
        self._bcrypt_cost = bcrypt_cost
        self._may_hash = asyncio.Semaphore(PASSWORD_HASHES_AT_ONCE)
        self._threads = ThreadPoolExecutor(
            PASSWORD_HASHES_AT_ONCE, "passwords", initializer=_give_way
        )
        self._waiting = 0
        self._logins_count = 0
        self._nobody_hash: bytes | None = None

    def new_api_key(self) -> NewApiKey:
        key_id = _random_base62(KEY_ID_CHARACTERS)
        unsigned = f"{PREFIX}{key_id}_{_random_base62(SECRET_CHARACTERS)}"
        text = unsigned + _checksum(unsigned)
        return NewApiKey(key_id, text, hashlib.sha256(text.encode()).digest())

    async def hash_password(self, password: str) -> str:
        """Raises PasswordsBusy."""
        return await self._in_turn(self._hash, password)

    async def is_password(self, password: str, password_hash: str | None) -> bool:
        """Implements commands.login_port.Passwords. Raises PasswordsBusy."""
        return await self._in_turn(self._check, password, password_hash)

    def require_room(self) -> None:
        """Raises PasswordsBusy."""
        if self._logins_count >= LOGINS_AT_ONCE_MAX:
            raise PasswordsBusy(retry_after_s=BUSY_RETRY_AFTER_S)

    @contextmanager
    def one_login(self) -> Generator[None]:
        """Raises PasswordsBusy."""
        self.require_room()
        self._logins_count += 1
        try:
            yield
        finally:
            self._logins_count -= 1

    def needs_rehash(self, password_hash: str) -> bool:
        return cost_of(password_hash) < self._bcrypt_cost

    async def _in_turn(self, work: Callable[..., Answer], *arguments: object) -> Answer:
        """In a thread, a few at a time, behind a bounded queue. Raises PasswordsBusy."""
        if self._waiting >= PASSWORD_HASHES_WAITING_MAX:
            raise PasswordsBusy(retry_after_s=BUSY_RETRY_AFTER_S)
        self._waiting += 1
        try:
            async with self._may_hash:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, work, *arguments)
        finally:
            self._waiting -= 1

    def _hash(self, password: str) -> str:
        raw = canonical_password(password).encode()
        return bcrypt.hashpw(raw, bcrypt.gensalt(self._bcrypt_cost)).decode()

    def _check(self, password: str, password_hash: str | None) -> bool:
        """One bcrypt, whatever is asked."""
        nobody = self._nobody()
        raw = canonical_password(password).encode()
        is_possible = password_hash is not None and len(raw) <= PASSWORD_BYTES_MAX
        stored = password_hash.encode() if password_hash is not None else nobody
        return bcrypt.checkpw(raw[:PASSWORD_BYTES_MAX], stored) and is_possible

    def _nobody(self) -> bytes:
        """A hash at the present cost, made once."""
        if self._nobody_hash is None:
            self._nobody_hash = bcrypt.hashpw(NOBODY, bcrypt.gensalt(self._bcrypt_cost))
        return self._nobody_hash


def _give_way() -> None:
    """Of this thread only, which is how Linux counts: whoever tries passwords keeps all cores busy,
    and everybody else's requests come first.
    """
    if sys.platform == "linux":
        os.nice(PASSWORD_NICENESS)


def cost_of(password_hash: str) -> int:
    """Of bcrypt: `$2b$12$...`."""
    return int(password_hash.split("$")[2])


def has_valid_checksum(text: str) -> bool:
    """Whether `text` has the form of our keys; it may still be unknown or revoked."""
    if len(text) != API_KEY_CHARACTERS or not text.startswith(PREFIX) or not text.isascii():
        return False
    if text[KEY_ID_END] != "_":
        return False
    return _checksum(text[:-CHECKSUM_CHARACTERS]) == text[-CHECKSUM_CHARACTERS:]


def _random_base62(characters: int) -> str:
    return "".join(secrets.choice(BASE62) for _ in range(characters))


def _checksum(text: str) -> str:
    """CRC32 in base62, the most significant digit first, padded with zeros."""
    number = zlib.crc32(text.encode())
    digits = ""
    for _ in range(CHECKSUM_CHARACTERS):
        number, digit = divmod(number, len(BASE62))
        digits = BASE62[digit] + digits
    return digits
