"""Tokens that are mailed to somebody who forgot the password.

    alp_base64url(<tenant id: 16 bytes><random: 32 bytes>)

The table has their SHA-256; the tenant is told so that it is looked for in that tenant only.
"""

import hashlib
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from domain.identifiers import TenantId

PREFIX = "alp_"
TENANT_BYTES = 16
RANDOM_BYTES = 32

_TOKEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{64}}")


class RandomResetTokens:
    """Implements commands.login_port.ResetTokens."""

    def new(self, tenant_id: TenantId) -> tuple[str, bytes]:
        content = tenant_id.bytes + secrets.token_bytes(RANDOM_BYTES)
        text = PREFIX + urlsafe_b64encode(content).decode()
        return text, hashlib.sha256(text.encode()).digest()

    def parsed(self, text: str) -> tuple[TenantId, bytes] | None:
        if _TOKEN.fullmatch(text) is None:
            return None
        claimed = urlsafe_b64decode(text.removeprefix(PREFIX))[:TENANT_BYTES]
        return TenantId(UUID(bytes=claimed)), hashlib.sha256(text.encode()).digest()
