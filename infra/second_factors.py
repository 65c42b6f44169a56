"""Second factors: codes of the time (TOTP, RFC 6238) by pyotp, and recovery codes.

A code counts in its own half minute, in the one before and the one after, and only once: the row
remembers the last time step that was used, and no step at or before it counts again. Secrets lie
sealed; of recovery codes there are only hashes.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from pyotp import random_base32
from pyotp.totp import TOTP

from commands.login_port import NewSecondFactor
from commands.ports import Clock
from commands.sealing_port import Sealing
from domain.identifiers import TenantId
from domain.logins import SecondFactorPresent
from infra.postgres import Database

PURPOSE = "second_factor"
ISSUER = "AgentLedger"
STEP_S = 30
WINDOW_STEPS = 1
RECOVERY_CODES_COUNT = 10
RECOVERY_BYTES = 10  # 80 bits: nobody tries them out, so a fast hash is enough.

_CODE = re.compile(r"[0-9]{6}")

# fmt: off
ENROL: LiteralString = (
    "INSERT INTO second_factors AS f (tenant_id, user_id, sealed_secret) VALUES (%s, %s, %s)"
    " ON CONFLICT (tenant_id, user_id) DO UPDATE SET sealed_secret = EXCLUDED.sealed_secret,"
    "  used_step = 0 WHERE f.confirmed_at IS NULL RETURNING true"
)
FIND_SEALED: LiteralString = (
    "SELECT sealed_secret FROM second_factors"
    " WHERE tenant_id = %s AND user_id = %s AND (confirmed_at IS NOT NULL) = %s"
)
IS_CONFIRMED: LiteralString = (
    "SELECT EXISTS (SELECT FROM second_factors"
    " WHERE tenant_id = %s AND user_id = %s AND confirmed_at IS NOT NULL)"
)
TAKE_STEP: LiteralString = (
    "UPDATE second_factors SET used_step = %s"
    " WHERE tenant_id = %s AND user_id = %s AND used_step < %s RETURNING true"
)
TAKE_RECOVERY: LiteralString = (
    "DELETE FROM recovery_codes"
    " WHERE tenant_id = %s AND user_id = %s AND code_hash = %s RETURNING true"
)
# fmt: on


class PostgresSecondFactors:
    """Implements commands.login_port.SecondFactors. database: the role `api`."""

    def __init__(self, database: Database, keys: Sealing, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock

    async def is_confirmed(self, tenant_id: TenantId, user_id: UUID) -> bool:
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(IS_CONFIRMED, (tenant_id, user_id))).fetchone()
        return row is not None and row[0]

    async def enrol(self, tenant_id: TenantId, user_id: UUID, label: str) -> NewSecondFactor:
        secret = random_base32()
        sealed = await self._keys.seal(tenant_id, PURPOSE, secret.encode(), str(user_id))
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(ENROL, (tenant_id, user_id, sealed))).fetchone()
        if row is None:
            raise SecondFactorPresent
        uri = TOTP(secret).provisioning_uri(name=label, issuer_name=ISSUER)
        return NewSecondFactor(secret, uri)

    async def take_code(
        self, tenant_id: TenantId, user_id: UUID, code: str, *, is_confirmed: bool
    ) -> bool:
        if _CODE.fullmatch(code) is None:
            return False
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (
                await conn.execute(FIND_SEALED, (tenant_id, user_id, is_confirmed))
            ).fetchone()
        if row is None:
            return False
        secret = await self._keys.open(tenant_id, PURPOSE, bytes(row[0]), str(user_id))
        step = self._step_of(secret.decode(), code)
        if step is None:
            return False
        async with self._database.tenant_transaction(tenant_id) as conn:
            taken = await conn.execute(TAKE_STEP, (step, tenant_id, user_id, step))
            return await taken.fetchone() is not None

    def _step_of(self, secret: str, code: str) -> int | None:
        """The time step whose code it is, the newest first; all are compared, in constant time."""
        totp = TOTP(secret, interval=STEP_S)
        now_step = int(self._clock.now().timestamp()) // STEP_S
        steps = range(now_step + WINDOW_STEPS, now_step - WINDOW_STEPS - 1, -1)
        fitting = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), code)]
        return fitting[0] if fitting else None

    async def take_recovery_code(self, tenant_id: TenantId, user_id: UUID, code: str) -> bool:
        code_hash = _recovery_hash(user_id, code)
        async with self._database.tenant_transaction(tenant_id) as conn:
            taken = await conn.execute(TAKE_RECOVERY, (tenant_id, user_id, code_hash))
            return await taken.fetchone() is not None

    def new_recovery_codes(self, user_id: UUID) -> tuple[Sequence[str], Sequence[bytes]]:
        codes = [_recovery_code() for _ in range(RECOVERY_CODES_COUNT)]
        return codes, [_recovery_hash(user_id, code) for code in codes]


def _recovery_code() -> str:
    """`xxxx-xxxx-xxxx-xxxx` of base32."""
    text = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(text[place : place + 4] for place in range(0, len(text), 4))


def _recovery_hash(user_id: UUID, code: str) -> bytes:
    """However it was typed."""
    canonical = code.strip().replace("-", "").replace(" ", "").lower()
    return hashlib.sha256(user_id.bytes + canonical.encode()).digest()
