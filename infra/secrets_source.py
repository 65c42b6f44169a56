"""API keys and password hashes: the randomness and the slow work behind commands.ports.Secrets.

    al_<key id: 8 base62>_<secret: 30 base62, 178 bits><CRC32 of all before it: 6 base62>

The checksum lets a mistyped or invented key be refused, and a leaked one be recognised, without a
look-up.
"""

import asyncio
import hashlib
import secrets
import string
import zlib

import bcrypt

from commands.ports import NewApiKey

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
PREFIX = "al_"
KEY_ID_CHARACTERS = 8
SECRET_CHARACTERS = 30
CHECKSUM_CHARACTERS = 6
KEY_ID_END = len(PREFIX) + KEY_ID_CHARACTERS
API_KEY_CHARACTERS = KEY_ID_END + 1 + SECRET_CHARACTERS + CHECKSUM_CHARACTERS
# bcrypt keeps a core busy: more at once would only starve the event loop.
PASSWORD_HASHES_AT_ONCE = 2


class SecretsSource:
    """Implements commands.ports.Secrets."""

    def __init__(self, *, bcrypt_cost: int) -> None:
        self._bcrypt_cost = bcrypt_cost
        self._may_hash = asyncio.Semaphore(PASSWORD_HASHES_AT_ONCE)

    def new_api_key(self) -> NewApiKey:
        key_id = _random_base62(KEY_ID_CHARACTERS)
        unsigned = f"{PREFIX}{key_id}_{_random_base62(SECRET_CHARACTERS)}"
        text = unsigned + _checksum(unsigned)
        return NewApiKey(key_id, text, hashlib.sha256(text.encode()).digest())

    async def hash_password(self, password: str) -> str:
        async with self._may_hash:
            return await asyncio.to_thread(self._hash, password)

    def _hash(self, password: str) -> str:
        return bcrypt.hashpw(password.encode(), bcrypt.gensalt(self._bcrypt_cost)).decode()


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
