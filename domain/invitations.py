"""The token of an invitation: whose it is, and the proof that it was sent.

    base64url(<tenant id: 16 bytes><user id: 16 bytes><proof: 32 bytes>)

The proof is made of the moment at which the invitation ends, so that another invitation, or an
accepted one, makes it worthless without anything being stored of it.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple
from uuid import UUID

from domain.identifiers import TenantId

PROOF_BYTES = 32
TOKEN_CHARACTERS = 86

_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{TOKEN_CHARACTERS}}}")


class InvitationToken(NamedTuple):
    tenant_id: TenantId
    user_id: UUID
    proof: bytes

    def __str__(self) -> str:
        raw = self.tenant_id.bytes + self.user_id.bytes + self.proof
        return urlsafe_b64encode(raw).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "InvitationToken | None":
        """None for what is no token."""
        if _TOKEN.fullmatch(text) is None:
            return None
        raw = urlsafe_b64decode(text + "==")
        return cls(TenantId(UUID(bytes=raw[:16])), UUID(bytes=raw[16:32]), raw[32:])
