"""The statements that store what belongs to sessions and logins, with their events; see
infra/side_rows.py.
"""

from typing import LiteralString, assert_never

from commands.login_port import (
    ConfirmedSecondFactor,
    EndedSession,
    EndedSessionsOf,
    LoginRow,
    RemovedResetTokens,
    RemovedSecondFactor,
    ReplacedPassword,
    ReplacedRecoveryCodes,
    StoredResetToken,
    StoredSession,
)
from domain.identifiers import TenantId

SET_HASH: LiteralString = (
    "UPDATE passwords SET password_hash = %s WHERE tenant_id = %s AND user_id = %s"
)
STORE_SESSION: LiteralString = (
    "WITH stored AS (INSERT INTO sessions"
    "  (tenant_id, session_id, user_id, expires_at, provider_id) VALUES (%s, %s, %s, %s, %s))"
    " INSERT INTO refresh_tokens (tenant_id, token_hash, session_id, expires_at)"
    " VALUES (%s, %s, %s, %s)"
)
END_SESSION: LiteralString = (
    "UPDATE sessions SET ended_at = clock_timestamp()"
    " WHERE tenant_id = %s AND session_id = %s AND ended_at IS NULL"
)
END_SESSIONS_OF: LiteralString = (
    "UPDATE sessions SET ended_at = clock_timestamp()"
    " WHERE tenant_id = %s AND provider_id = %s AND ended_at IS NULL"
)
STORE_RESET: LiteralString = (
    "INSERT INTO reset_tokens (tenant_id, token_hash, user_id, expires_at) VALUES (%s, %s, %s, %s)"
)
REMOVE_RESETS: LiteralString = "DELETE FROM reset_tokens WHERE tenant_id = %s AND user_id = %s"
CONFIRM_SECOND_FACTOR: LiteralString = (
    "UPDATE second_factors SET confirmed_at = clock_timestamp()"
    " WHERE tenant_id = %s AND user_id = %s"
)
REMOVE_SECOND_FACTOR: LiteralString = (
    "WITH removed AS (DELETE FROM second_factors WHERE tenant_id = %s AND user_id = %s)"
    " DELETE FROM recovery_codes WHERE tenant_id = %s AND user_id = %s"
)
REPLACE_RECOVERY_CODES: LiteralString = (
    "WITH removed AS (DELETE FROM recovery_codes WHERE tenant_id = %s AND user_id = %s)"
    " INSERT INTO recovery_codes (tenant_id, user_id, code_hash)"
    " SELECT %s, %s, unnest(%s::bytea[])"
)

Statement = tuple[LiteralString, tuple[object, ...]]


def login_statement(  # noqa: PLR0911 # one answer per kind of row
    tenant_id: TenantId, row: LoginRow
) -> Statement:
    match row:
        case ReplacedPassword():
            return SET_HASH, (row.password_hash, tenant_id, row.user_id)
        case StoredSession():
            session = (tenant_id, row.session_id, row.user_id, row.expires_at)
            session = (*session, row.provider_id)
            token = (tenant_id, row.token_hash, row.session_id, row.token_expires_at)
            return STORE_SESSION, (*session, *token)
        case EndedSession():
            return END_SESSION, (tenant_id, row.session_id)
        case EndedSessionsOf():
            return END_SESSIONS_OF, (tenant_id, row.provider_id)
        case StoredResetToken():
            values = (tenant_id, row.token_hash, row.user_id, row.expires_at)
            return STORE_RESET, values
        case RemovedResetTokens():
            return REMOVE_RESETS, (tenant_id, row.user_id)
        case ConfirmedSecondFactor():
            return CONFIRM_SECOND_FACTOR, (tenant_id, row.user_id)
        case RemovedSecondFactor():
            return REMOVE_SECOND_FACTOR, (tenant_id, row.user_id) * 2
        case ReplacedRecoveryCodes():
            values = (*(tenant_id, row.user_id) * 2, list(row.code_hashes))
            return REPLACE_RECOVERY_CODES, values
        case _:
            assert_never(row)
