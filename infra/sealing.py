"""Sealed bytes: AES-256-GCM under a key for one purpose of one tenant.

    version (1) | algorithm (1) | key version (4) | IV (16, random) | ciphertext | tag (16)

What is authenticated besides: tenant, purpose, key version, and what the bytes are bound to. Only
the last has no fixed or told length, so no two of these are written alike.

What is of one data subject of the tenant is sealed with the subject's key first, and then, with
what may outlive the subject, with the tenant's:

    mark (1) | subject (16) | length (4) | sealed bytes of that length | what lies beside them

Random IVs allow 2^32 seals under one key (NIST SP 800-38D, 8.3).
"""

import hmac
import os
from collections.abc import Callable, Iterable
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from commands.sealing_port import Tampered

FORMAT_VERSION = 1
AES_256_GCM = 1
KEY_BYTES = 32
IV_BYTES = 16
TAG_BYTES = 16
HEAD_BYTES = 6
BODY_AT = HEAD_BYTES + IV_BYTES
OVERHEAD_BYTES = HEAD_BYTES + IV_BYTES + TAG_BYTES

RandomBytes = Callable[[int], bytes]


class Cipher:
    """Seals and opens for one purpose of one tenant; made once, because deriving its key and its
    schedule costs more than a seal. data_key_version: of the tenant's data key.
    """

    __slots__ = ("_aead", "_begun_digest", "_context", "_head", "_random")

    def __init__(
        self,
        data_key: bytes,
        tenant_id: UUID,
        purpose: str,
        *,
        data_key_version: int = 1,
        random: RandomBytes = os.urandom,
    ) -> None:
        self._aead = AESGCM(derived(data_key, purpose))
        # Begun once: to take in the key is two thirds of the work of a short digest.
        self._begun_digest = hmac.new(derived(data_key, f"{purpose}:digest"), digestmod="sha256")
        version = data_key_version.to_bytes(4)
        self._head = bytes([FORMAT_VERSION, AES_256_GCM]) + version
        name = purpose.encode()
        self._context = tenant_id.bytes + bytes([len(name)]) + name + version
        self._random = random

    def seal(self, plaintext: bytes, bound_to: bytes) -> bytes:
        # One call for each: bytes that wait in memory would be given out again by a copy of the
        # machine, and two seals under one IV betray what is sealed.
        iv = self._random(IV_BYTES)
        return self._head + iv + self._aead.encrypt(iv, plaintext, self._context + bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        """Raises Tampered."""
        if sealed[:HEAD_BYTES] != self._head or len(sealed) < OVERHEAD_BYTES:
            raise Tampered
        iv = sealed[HEAD_BYTES : HEAD_BYTES + IV_BYTES]
        try:
            return self._aead.decrypt(iv, sealed[HEAD_BYTES + IV_BYTES :], self._context + bound_to)
        except InvalidTag:
            raise Tampered from None

    def open_all(self, sealed: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        """The same for many, with what each is bound to. What is not sealed, or was tampered with,
        stays as it is.
        """
        decrypt, head, context = self._aead.decrypt, self._head, self._context
        opened: list[bytes] = []
        for content, bound_to in sealed:
            if content[:HEAD_BYTES] == head and len(content) >= OVERHEAD_BYTES:
                iv, body = content[HEAD_BYTES:BODY_AT], content[BODY_AT:]
                try:
                    opened.append(decrypt(iv, body, context + bound_to))
                except InvalidTag:
                    opened.append(content)
            else:
                opened.append(content)
        return opened

    def digest(self, content: bytes) -> bytes:
        """Names content of this tenant: equal contents alike, and nothing to whoever lacks the key.
        32 bytes.
        """
        digest = self._begun_digest.copy()
        digest.update(content)
        return digest.digest()


def derived(data_key: bytes, purpose: str) -> bytes:
    """A key of its own for each purpose. The data key is 32 random bytes: HKDF needs no salt."""
    info = b"agentledger:" + purpose.encode()
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(data_key)


def is_sealed(stored: bytes) -> bool:
    """JSON never begins with this byte; what was stored before there were seals is JSON."""
    return stored[:1] == bytes([FORMAT_VERSION])


# Neither JSON nor a compressed document begins so.
SUBJECT_MARK = b"\x02"
SUBJECT_HEAD_BYTES = 1 + 16 + 4


class Nested(NamedTuple):
    """sealed: with the subject's key; empty when that was gone already. beside: what was not."""

    subject_id: UUID
    sealed: bytes
    beside: bytes

    def joined(self) -> bytes:
        length = len(self.sealed).to_bytes(4)
        return SUBJECT_MARK + self.subject_id.bytes + length + self.sealed + self.beside


def nested_in(plaintext: bytes) -> Nested | None:
    """None when nothing in it is of a data subject. Raises Tampered."""
    if plaintext[:1] != SUBJECT_MARK:
        return None
    end = SUBJECT_HEAD_BYTES + int.from_bytes(plaintext[17:SUBJECT_HEAD_BYTES])
    if not SUBJECT_HEAD_BYTES <= end <= len(plaintext):
        raise Tampered
    subject_id = UUID(bytes=plaintext[1:17])
    return Nested(subject_id, plaintext[SUBJECT_HEAD_BYTES:end], plaintext[end:])
