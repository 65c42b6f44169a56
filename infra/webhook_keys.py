"""The keys of webhooks: whoever holds the key of a run or a trigger may send it requests, and
nothing else.

    of a run      base64url(<tenant id: 16 bytes><HMAC-SHA256 of tenant and run: 32 bytes>)
    of a trigger  base64url(<tenant id: 16 bytes><generation: 3 bytes>
                            <HMAC-SHA256 of tenant, trigger and generation: 32 bytes>)

The HMAC is under the master key. A trigger that gets another key counts its generation on.

Derived, so nothing is stored: a wrong key is refused without a look-up, and a right one tells the
tenant before the database is asked, which needs to know it first.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from domain.identifiers import TenantId

WEBHOOKS_PATH = "/api/v1/webhooks"
KEY_CHARACTERS = 64
TENANT_BYTES = 16
# Of base64, as many as hold the tenant's bytes.
TENANT_CHARACTERS = 24

TRIGGERS_PATH = "/api/v1/trigger-webhooks"
TRIGGER_KEY_CHARACTERS = 68
GENERATION_BYTES = 3

_KEY = re.compile(rf"[A-Za-z0-9_-]{{{KEY_CHARACTERS}}}")
_TRIGGER_KEY = re.compile(rf"[A-Za-z0-9_-]{{{TRIGGER_KEY_CHARACTERS}}}")


class WebhookKeys:
    """master_keys: the first makes keys, all of them are taken: those made before the master key
    was changed work as long as the previous one is known.
    """

    def __init__(self, *master_keys: str) -> None:
        self._master_keys = [master_key.encode() for master_key in master_keys]

    def path(self, tenant_id: TenantId, execution_id: UUID) -> str:
        """Of the run; `/<name>` comes after it."""
        key = self._key(tenant_id, execution_id, self._master_keys[0])
        return f"{WEBHOOKS_PATH}/{execution_id}/{key}"

    def tenant(self, execution_id: UUID, key: str) -> TenantId | None:
        """The tenant of the run when this is its key. Nobody else's key is told from nonsense, nor
        one run from another that does not exist.
        """
        if _KEY.fullmatch(key) is None:
            return None
        claimed = urlsafe_b64decode(key[:TENANT_CHARACTERS])[:TENANT_BYTES]
        tenant_id = TenantId(UUID(bytes=claimed))
        right = [self._key(tenant_id, execution_id, made_of) for made_of in self._master_keys]
        is_right = any(hmac.compare_digest(one, key) for one in right)
        return tenant_id if is_right else None

    def trigger_path(self, tenant_id: TenantId, trigger_id: UUID, generation: int) -> str:
        head = tenant_id.bytes + generation.to_bytes(GENERATION_BYTES)
        key = self._trigger_key(head, trigger_id, self._master_keys[0])
        return f"{TRIGGERS_PATH}/{trigger_id}/{key}"

    def trigger(self, trigger_id: UUID, key: str) -> tuple[TenantId, int] | None:
        """The tenant of the trigger when this is or was its key, and the key's generation."""
        if _TRIGGER_KEY.fullmatch(key) is None:
            return None
        head = urlsafe_b64decode(key)[: TENANT_BYTES + GENERATION_BYTES]
        right = [self._trigger_key(head, trigger_id, made_of) for made_of in self._master_keys]
        if not any(hmac.compare_digest(one, key) for one in right):
            return None
        tenant_id = TenantId(UUID(bytes=head[:TENANT_BYTES]))
        return tenant_id, int.from_bytes(head[TENANT_BYTES:])

    def _trigger_key(self, head: bytes, trigger_id: UUID, master_key: bytes) -> str:
        message = f"agentledger:trigger:{head.hex()}:{trigger_id}".encode()
        digest = hmac.digest(master_key, message, hashlib.sha256)
        return urlsafe_b64encode(head + digest).decode()

    def _key(self, tenant_id: TenantId, execution_id: UUID, master_key: bytes) -> str:
        message = f"agentledger:webhook:{tenant_id}:{execution_id}".encode()
        digest = hmac.digest(master_key, message, hashlib.sha256)
        return urlsafe_b64encode(tenant_id.bytes + digest).decode()
