"""Rows that are stored with events but seldom: keys, passwords, definitions. Each becomes one
statement of the append's transaction, after the append itself.
"""

from dataclasses import dataclass
from typing import LiteralString

import orjson

from commands.billing_port import BillingRow
from commands.budget_port import BudgetRow
from commands.credential_port import (
    ApiKeyRow,
    RescopedApiKey,
    RestrictedApiKey,
    RevokedApiKey,
    RotatedApiKey,
    StoredApiKey,
)
from commands.deadline_port import StoredDeadline
from commands.directory_port import (
    ChangedDirectoryMembers,
    DirectoryRow,
    RemovedDirectoryEntry,
    StoredDirectoryEntry,
    StoredDirectoryToken,
)
from commands.feature_port import FeatureRow
from commands.identity_port import AccessRow, RemovedRole, StoredRole, StoredUserAccess
from commands.licence_port import StoredRevocation
from commands.login_port import LoginRow
from commands.mail_port import QueuedMail
from commands.oauth_port import ClientSecretRow, RemovedClientSecret, StoredClientSecret
from commands.plan_port import PlanRow
from commands.ports import (
    ClosedBulkOperation,
    OpenedBulkOperation,
    StoredDefinition,
    StoredPassword,
)
from commands.price_port import PublishedPrices
from commands.retention_port import RemovedPayloads, StoredRetention
from commands.sealing_port import (
    DestroyedSubjectKey,
    DestroyedTenantKey,
    SealingRow,
)
from commands.sharing_port import ChangedPublicity, RemovedShare, ShareRow, StoredShare
from commands.standing_port import (
    ChangedStanding,
    ClosedOffboarding,
    OpenedOffboarding,
    RegisteredTenant,
    StoredResellerQuota,
    TenantSideRow,
)
from commands.template_port import OfferedTemplate, TemplateRow, WithdrawnTemplate
from commands.trigger_port import StoredDueTrigger
from commands.vault_port import RemovedVaultEntry, StoredVaultEntry, VaultRow
from domain.identifiers import TenantId
from infra.billing_rows import billing_statement
from infra.budget_rows import budget_statement
from infra.data_keys import TenantKey
from infra.deadlines import deadline_statement
from infra.directory_rows import directory_statement
from infra.due_triggers import due_trigger_statement
from infra.feature_rows import feature_statement
from infra.licence_rows import revocation_statement
from infra.login_rows import login_statement
from infra.plan_rows import plan_statement
from infra.share_rows import share_statement
from infra.tenant_side_rows import tenant_statement
from infra.workflow_templates import template_statement

TimeRow = StoredDeadline | StoredDueTrigger
# What definitions are sealed as.
DEFINITIONS = "definitions"

RareRow = (
    StoredDefinition
    | ApiKeyRow
    | StoredPassword
    | OpenedBulkOperation
    | ClosedBulkOperation
    | StoredRetention
    | RemovedPayloads
    | TenantSideRow
    | ShareRow
    | TemplateRow
    | AccessRow
    | ClientSecretRow
    | DirectoryRow
    | StoredVaultEntry
    | RemovedVaultEntry
    | QueuedMail
    | LoginRow
    | PlanRow
    | BudgetRow
    | FeatureRow
    | SealingRow
    | PublishedPrices
    | BillingRow
    | StoredDeadline
    | StoredDueTrigger
    | StoredRevocation
)

STORE_DEFINITION: LiteralString = (
    "INSERT INTO definitions (tenant_id, definition_hash, definition) VALUES (%s, %s, %s)"
    " ON CONFLICT DO NOTHING"
)
STORE_API_KEY: LiteralString = (
    "INSERT INTO api_key_hashes (tenant_id, api_key_id, key_id, secret_hash, scopes, user_id,"
    " expires_at, allowed_addresses)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s::cidr[])"
)
RESTRICT_API_KEY: LiteralString = (
    "UPDATE api_key_hashes SET allowed_addresses = %s::cidr[]"
    " WHERE tenant_id = %s AND api_key_id = %s"
)
RESCOPE_API_KEY: LiteralString = (
    "UPDATE api_key_hashes SET scopes = %s WHERE tenant_id = %s AND api_key_id = %s"
)
ROTATE_API_KEY: LiteralString = (
    "UPDATE api_key_hashes SET previous_key_id = key_id, previous_secret_hash = secret_hash,"
    " previous_until = %s, key_id = %s, secret_hash = %s"
    " WHERE tenant_id = %s AND api_key_id = %s"
)
REVOKE_API_KEY: LiteralString = (
    "UPDATE api_key_hashes SET revoked_at = clock_timestamp()"
    " WHERE tenant_id = %s AND api_key_id = %s"
)
STORE_CREDENTIAL: LiteralString = (
    "INSERT INTO passwords (tenant_id, user_id, password_hash) VALUES (%s, %s, %s)"
    # Not EXCLUDED, for which the writer would have to be able to read it.
    " ON CONFLICT (tenant_id, user_id) DO UPDATE SET password_hash = %s"
)
OPEN_BULK_OPERATION: LiteralString = (
    "INSERT INTO open_bulk_operations (tenant_id, operation_id) VALUES (%s, %s)"
)
CLOSE_BULK_OPERATION: LiteralString = (
    "DELETE FROM open_bulk_operations WHERE tenant_id = %s AND operation_id = %s"
)

KEEP_FOR: LiteralString = (
    "INSERT INTO retention (tenant_id, payload_days) VALUES (%s, %s)"
    " ON CONFLICT (tenant_id) DO UPDATE SET payload_days = EXCLUDED.payload_days"
)
KEEP_FOR_EVER: LiteralString = "DELETE FROM retention WHERE tenant_id = %s"
QUEUE_MAIL: LiteralString = (
    "INSERT INTO mail_outbox (tenant_id, mail_id, user_id, sealed, expires_at)"
    " VALUES (%s, %s, %s, %s, %s)"
)
PUBLISH_PRICES: LiteralString = (
    "INSERT INTO price_books (tenant_id, book_id, book_version) VALUES (%s, %s, %s)"
    " ON CONFLICT (tenant_id, book_id) DO UPDATE SET book_version = EXCLUDED.book_version"
)
DESTROY_TENANT_KEY: LiteralString = "SELECT destroy_tenant_key(%s)"
DESTROY_SUBJECT_KEY: LiteralString = "SELECT destroy_subject_key(%s, %s)"
REMOVE_PAYLOADS: LiteralString = "SELECT remove_payloads(%s, %s)"
STORE_VAULT_ENTRY: LiteralString = (
    "INSERT INTO vault_entries (tenant_id, entry_id, value_version, allowed_hosts, key_version,"
    " encrypted_key, salt, iv, auth_tag) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (tenant_id, entry_id) DO UPDATE SET value_version = EXCLUDED.value_version,"
    " allowed_hosts = EXCLUDED.allowed_hosts, key_version = EXCLUDED.key_version,"
    " encrypted_key = EXCLUDED.encrypted_key, salt = EXCLUDED.salt, iv = EXCLUDED.iv,"
    " auth_tag = EXCLUDED.auth_tag"
)
REMOVE_VAULT_ENTRY: LiteralString = (
    "DELETE FROM vault_entries WHERE tenant_id = %s AND entry_id = %s"
)

STORE_USER_ACCESS: LiteralString = (
    "INSERT INTO user_access (tenant_id, user_id, email_hash, role, status)"
    " VALUES (%s, %s, %s, %s, %s)"
    " ON CONFLICT (tenant_id, user_id) DO UPDATE SET email_hash = EXCLUDED.email_hash,"
    "  role = EXCLUDED.role, status = EXCLUDED.status"
)
STORE_ROLE: LiteralString = (
    "INSERT INTO role_permissions (tenant_id, role_id, permissions) VALUES (%s, %s, %s)"
    " ON CONFLICT (tenant_id, role_id) DO UPDATE SET permissions = EXCLUDED.permissions"
)
REMOVE_ROLE: LiteralString = "DELETE FROM role_permissions WHERE tenant_id = %s AND role_id = %s"

KEEP_CLIENT: LiteralString = (
    "INSERT INTO client_secrets (tenant_id, provider_id, sealed) VALUES (%s, %s, %s)"
    " ON CONFLICT (tenant_id, provider_id) DO UPDATE SET sealed = EXCLUDED.sealed"
)
FORGET_CLIENT: LiteralString = (
    "DELETE FROM client_secrets WHERE tenant_id = %s AND provider_id = %s"
)


@dataclass(frozen=True, slots=True)
class SideStatement:
    sql: LiteralString
    params: tuple[object, ...] | dict[str, object]


def side_statement(  # noqa: C901, PLR0911, PLR0912 # one answer per kind of row
    tenant_id: TenantId, row: RareRow, key: TenantKey
) -> SideStatement:
    if isinstance(row, PlanRow):
        return SideStatement(*plan_statement(tenant_id, row))
    if isinstance(row, FeatureRow):
        return SideStatement(*feature_statement(tenant_id, row))
    if isinstance(row, BillingRow | BudgetRow | StoredRevocation | TimeRow):
        return _of_times_and_money(tenant_id, row)
    match row:
        case StoredDefinition():
            definition = orjson.dumps(row.definition, option=orjson.OPT_SORT_KEYS)
            sealed = key.cipher(DEFINITIONS).seal(definition, row.definition_hash.encode())
            return SideStatement(STORE_DEFINITION, (tenant_id, row.definition_hash, sealed))
        case StoredApiKey() | RestrictedApiKey() | RescopedApiKey():
            return _of_api_key(tenant_id, row)
        case RotatedApiKey() | RevokedApiKey():
            return _of_api_key(tenant_id, row)
        case StoredPassword():
            return SideStatement(
                STORE_CREDENTIAL, (tenant_id, row.user_id, *(row.password_hash,) * 2)
            )
        case OpenedBulkOperation():
            return SideStatement(OPEN_BULK_OPERATION, (tenant_id, row.operation_id))
        case StoredRetention() if row.payload_days is None:
            return SideStatement(KEEP_FOR_EVER, (tenant_id,))
        case StoredRetention():
            return SideStatement(KEEP_FOR, (tenant_id, row.payload_days))
        case PublishedPrices():
            return SideStatement(PUBLISH_PRICES, (tenant_id, row.book_id, row.book_version))
        case DestroyedTenantKey():
            return SideStatement(DESTROY_TENANT_KEY, (tenant_id,))
        case DestroyedSubjectKey():
            return SideStatement(DESTROY_SUBJECT_KEY, (tenant_id, row.subject_id))
        case RemovedPayloads():
            return SideStatement(REMOVE_PAYLOADS, (tenant_id, row.execution_id))
        case QueuedMail():
            mail = (tenant_id, row.mail_id, row.user_id, row.sealed, row.expires_at)
            return SideStatement(QUEUE_MAIL, mail)
        case ClosedBulkOperation():
            return SideStatement(CLOSE_BULK_OPERATION, (tenant_id, row.operation_id))
        case StoredClientSecret():
            return SideStatement(KEEP_CLIENT, (tenant_id, row.provider_id, row.sealed))
        case RemovedClientSecret():
            return SideStatement(FORGET_CLIENT, (tenant_id, row.provider_id))
        case (
            StoredDirectoryToken()
            | StoredDirectoryEntry()
            | RemovedDirectoryEntry()
            | ChangedDirectoryMembers()
        ):
            return SideStatement(*directory_statement(tenant_id, row))
        case StoredUserAccess() | StoredRole() | RemovedRole():
            return _access_statement(tenant_id, row)
        case StoredShare() | RemovedShare() | ChangedPublicity():
            return SideStatement(*share_statement(tenant_id, row))
        case OfferedTemplate() | WithdrawnTemplate():
            return SideStatement(*template_statement(tenant_id, row))
        case StoredVaultEntry() | RemovedVaultEntry():
            return _vault_statement(tenant_id, row)
        case (
            RegisteredTenant()
            | ChangedStanding()
            | StoredResellerQuota()
            | OpenedOffboarding()
            | ClosedOffboarding()
        ):
            return SideStatement(*tenant_statement(tenant_id, row))
        case _:
            return SideStatement(*login_statement(tenant_id, row))


def _of_times_and_money(
    tenant_id: TenantId, row: BillingRow | BudgetRow | StoredRevocation | TimeRow
) -> SideStatement:
    if isinstance(row, BillingRow):
        return SideStatement(*billing_statement(tenant_id, row))
    match row:
        case StoredRevocation():
            return SideStatement(*revocation_statement(tenant_id, row))
        case StoredDeadline():
            return SideStatement(*deadline_statement(tenant_id, row))
        case StoredDueTrigger():
            return SideStatement(*due_trigger_statement(tenant_id, row))
        case _:
            return SideStatement(*budget_statement(tenant_id, row))


def _access_statement(tenant_id: TenantId, row: AccessRow) -> SideStatement:
    match row:
        case StoredUserAccess():
            values = (row.user_id, row.email_hash, row.role, row.status)
            return SideStatement(STORE_USER_ACCESS, (tenant_id, *values))
        case StoredRole():
            return SideStatement(STORE_ROLE, (tenant_id, row.role_id, list(row.permissions)))
        case RemovedRole():
            return SideStatement(REMOVE_ROLE, (tenant_id, row.role_id))


def _vault_statement(tenant_id: TenantId, row: VaultRow) -> SideStatement:
    if isinstance(row, RemovedVaultEntry):
        return SideStatement(REMOVE_VAULT_ENTRY, (tenant_id, row.entry_id))
    return SideStatement(STORE_VAULT_ENTRY, (tenant_id, *_columns_of(row)))


def _columns_of(row: StoredVaultEntry) -> tuple[object, ...]:
    sealed = row.sealed
    return (
        row.entry_id,
        row.value_version,
        list(row.allowed_hosts),
        sealed.key_version,
        sealed.encrypted_key,
        sealed.salt,
        sealed.iv,
        sealed.auth_tag,
    )


def _of_api_key(tenant_id: TenantId, row: ApiKeyRow) -> SideStatement:
    match row:
        case StoredApiKey():
            hashed = (tenant_id, row.api_key_id, row.key_id, row.secret_hash)
            bounds = (list(row.scopes), row.user_id, row.expires_at, list(row.allowed_addresses))
            return SideStatement(STORE_API_KEY, (*hashed, *bounds))
        case RestrictedApiKey():
            params = (list(row.allowed_addresses), tenant_id, row.api_key_id)
            return SideStatement(RESTRICT_API_KEY, params)
        case RescopedApiKey():
            return SideStatement(RESCOPE_API_KEY, (list(row.scopes), tenant_id, row.api_key_id))
        case RotatedApiKey():
            fresh = (row.previous_until, row.key_id, row.secret_hash)
            return SideStatement(ROTATE_API_KEY, (*fresh, tenant_id, row.api_key_id))
        case RevokedApiKey():
            return SideStatement(REVOKE_API_KEY, (tenant_id, row.api_key_id))
