"""Every command and its handler: the whole write side on one screen."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from commands import payments
from commands.agents import (
    CreateAgent,
    DeleteAgent,
    ExecuteAgent,
    ReviseAgent,
    create_agent,
    delete_agent,
    execute_agent,
    revise_agent,
)
from commands.approvals import DecideApproval, decide_approval
from commands.billing_accounts import (
    AddressInvoices,
    SetBillingTerms,
    address_invoices,
    set_billing_terms,
)
from commands.budgets import (
    CreateBudget,
    DeleteBudget,
    ReleaseBudgetHold,
    ReviseBudget,
    create_budget,
    delete_budget,
    release_budget_hold,
    revise_budget,
)
from commands.bulk_operations import OperateInBulk, operate_in_bulk
from commands.credentials import (
    CreateApiKey,
    RestrictApiKey,
    RevokeApiKey,
    RotateApiKey,
    create_api_key,
    restrict_api_key,
    revoke_api_key,
    rotate_api_key,
)
from commands.credits import (
    ExpireCredits,
    GrantCredits,
    WithdrawCredits,
    expire_credits,
    grant_credits,
    withdraw_credits,
)
from commands.decisions import Command, Decided, Tenancy
from commands.directory_groups import (
    CreateDirectoryGroup,
    RemoveDirectoryGroup,
    ReplaceDirectoryGroup,
    create_directory_group,
    remove_directory_group,
    replace_directory_group,
)
from commands.directory_users import (
    CreateDirectoryUser,
    RemoveDirectoryUser,
    ReplaceDirectoryUser,
    create_directory_user,
    remove_directory_user,
    replace_directory_user,
)
from commands.execution_commands import (
    CompensateExecution,
    PauseExecution,
    ResolveExecution,
    ResumeExecution,
    RetryExecution,
    compensate_execution,
    pause_execution,
    resolve_execution,
    resume_execution,
    retry_execution,
)
from commands.execution_forks import ForkExecution, fork_execution
from commands.execution_upgrades import UpgradeExecution, upgrade_execution
from commands.execution_usage import ResolveUsage, resolve_usage
from commands.executions import (
    CancelExecution,
    ExecuteWorkflow,
    cancel_execution,
    execute_workflow,
)
from commands.external_identities import (
    LinkExternalIdentity,
    RemoveExternalIdentity,
    SignInExternally,
    link_external_identity,
    remove_external_identity,
    sign_in_externally,
)
from commands.feature_flags import (
    DefineFlag,
    OverrideFlag,
    OverrideOwnFlag,
    RemoveFlag,
    define_flag,
    override_flag,
    override_own_flag,
    remove_flag,
)
from commands.identity import (
    AcceptInvitation,
    ChangeUser,
    DeactivateUser,
    InviteUser,
    RenewInvitation,
    accept_invitation,
    change_user,
    deactivate_user,
    invite_user,
    renew_invitation,
)
from commands.identity_providers import (
    IssueDirectoryToken,
    PutIdentityProvider,
    RemoveIdentityProvider,
    issue_directory_token,
    put_identity_provider,
    remove_identity_provider,
)
from commands.invoices import (
    CreditInvoice,
    FinalizeInvoice,
    PayInvoice,
    VoidInvoice,
    credit_invoice,
    finalize_invoice,
    pay_invoice,
    void_invoice,
)
from commands.licences import (
    ActivateLicence,
    ExpireLicence,
    IssueLicence,
    ReleaseLicence,
    RenewLicence,
    RevokeLicence,
    activate_licence,
    expire_licence,
    issue_licence,
    release_licence,
    renew_licence,
    revoke_licence,
)
from commands.login_rules import SetLoginRules, set_login_rules
from commands.logins import (
    ChangePassword,
    DisableSecondFactor,
    EnableSecondFactor,
    ReplaceRecoveryCodes,
    RequestReset,
    ResetSecondFactor,
    UseRecoveryCode,
    change_password,
    disable_second_factor,
    enable_second_factor,
    replace_recovery_codes,
    request_reset,
    reset_second_factor,
    use_recovery_code,
)
from commands.plans import (
    ArchivePlan,
    AssignPlan,
    CreatePlan,
    RevisePlan,
    archive_plan,
    assign_plan,
    create_plan,
    revise_plan,
)
from commands.price_books import PublishPrices, publish_prices
from commands.providers import PutProvider, RemoveProvider, put_provider, remove_provider
from commands.roles import (
    ChangeRole,
    CreateRole,
    DeleteRole,
    change_role,
    create_role,
    delete_role,
)
from commands.secrets import PutSecret, RemoveSecret, put_secret, remove_secret
from commands.sessions import (
    EndSession,
    EndSessions,
    StartSession,
    end_session,
    end_sessions,
    start_session,
)
from commands.sharing import (
    EndAgentShare,
    EndWorkflowShare,
    ShareAgent,
    ShareWorkflow,
    end_agent_share,
    end_workflow_share,
    share_agent,
    share_workflow,
)
from commands.signals import (
    ReceiveWebhook,
    SignalExecution,
    receive_webhook,
    signal_execution,
)
from commands.subjects import (
    EraseDataSubject,
    EraseUser,
    erase_data_subject,
    erase_user,
)
from commands.subscriptions import (
    AdvanceSubscription,
    CancelSubscription,
    ChangeSubscription,
    ResumeSubscription,
    Subscribe,
    advance_subscription,
    cancel_subscription,
    change_subscription,
    resume_subscription,
    subscribe,
)
from commands.tenants import (
    ChangeTenant,
    CreateTenant,
    KeepTenant,
    LeavePlatform,
    OffboardTenant,
    ResumeTenant,
    SetResellerQuota,
    SetRetention,
    StayOnPlatform,
    SuspendTenant,
    change_tenant,
    create_tenant,
    keep_tenant,
    leave_platform,
    offboard_tenant,
    resume_tenant,
    set_reseller_quota,
    set_retention,
    stay_on_platform,
    suspend_tenant,
)
from commands.usage_events import SendUsageEvents, send_usage_events
from commands.workflows import (
    CreateWorkflow,
    DeleteWorkflow,
    ReviseWorkflow,
    create_workflow,
    delete_workflow,
    revise_workflow,
)

AnyCommand = TypeVar("AnyCommand", bound=Command)
Handler: TypeAlias = Callable[[Any, Tenancy], Awaitable[Decided]]


def _entry(
    kind: type[AnyCommand], handler: Callable[[AnyCommand, Tenancy], Awaitable[Decided]]
) -> tuple[type[Command], Handler]:
    """Lets the type checker see that a handler takes the command it stands beside."""
    return kind, handler


HANDLERS: Mapping[type[Command], Handler] = dict(
    [
        _entry(CreateTenant, create_tenant),
        _entry(SetRetention, set_retention),
        _entry(ChangeTenant, change_tenant),
        _entry(SuspendTenant, suspend_tenant),
        _entry(ResumeTenant, resume_tenant),
        _entry(OffboardTenant, offboard_tenant),
        _entry(LeavePlatform, leave_platform),
        _entry(KeepTenant, keep_tenant),
        _entry(StayOnPlatform, stay_on_platform),
        _entry(SetResellerQuota, set_reseller_quota),
        _entry(AddressInvoices, address_invoices),
        _entry(SetBillingTerms, set_billing_terms),
        _entry(FinalizeInvoice, finalize_invoice),
        _entry(PayInvoice, pay_invoice),
        _entry(VoidInvoice, void_invoice),
        _entry(CreditInvoice, credit_invoice),
        _entry(CreatePlan, create_plan),
        _entry(RevisePlan, revise_plan),
        _entry(ArchivePlan, archive_plan),
        _entry(AssignPlan, assign_plan),
        _entry(Subscribe, subscribe),
        _entry(ChangeSubscription, change_subscription),
        _entry(CancelSubscription, cancel_subscription),
        _entry(ResumeSubscription, resume_subscription),
        _entry(AdvanceSubscription, advance_subscription),
        _entry(GrantCredits, grant_credits),
        _entry(WithdrawCredits, withdraw_credits),
        _entry(ExpireCredits, expire_credits),
        _entry(IssueLicence, issue_licence),
        _entry(RenewLicence, renew_licence),
        _entry(RevokeLicence, revoke_licence),
        _entry(ActivateLicence, activate_licence),
        _entry(ReleaseLicence, release_licence),
        _entry(ExpireLicence, expire_licence),
        _entry(DefineFlag, define_flag),
        _entry(RemoveFlag, remove_flag),
        _entry(OverrideFlag, override_flag),
        _entry(OverrideOwnFlag, override_own_flag),
        _entry(PublishPrices, publish_prices),
        _entry(CreateBudget, create_budget),
        _entry(ReviseBudget, revise_budget),
        _entry(DeleteBudget, delete_budget),
        _entry(ReleaseBudgetHold, release_budget_hold),
        _entry(payments.OpenCheckout, payments.open_checkout),
        _entry(payments.ReceiveProviderEvent, payments.receive_provider_event),
        _entry(payments.CollectPayment, payments.collect_payment),
        _entry(payments.RefundPayment, payments.refund_payment),
        _entry(SendUsageEvents, send_usage_events),
        _entry(ResolveUsage, resolve_usage),
        _entry(InviteUser, invite_user),
        _entry(RenewInvitation, renew_invitation),
        _entry(AcceptInvitation, accept_invitation),
        _entry(ChangeUser, change_user),
        _entry(DeactivateUser, deactivate_user),
        _entry(EraseUser, erase_user),
        _entry(EraseDataSubject, erase_data_subject),
        _entry(CreateRole, create_role),
        _entry(ChangeRole, change_role),
        _entry(DeleteRole, delete_role),
        _entry(CreateApiKey, create_api_key),
        _entry(RestrictApiKey, restrict_api_key),
        _entry(RotateApiKey, rotate_api_key),
        _entry(RevokeApiKey, revoke_api_key),
        _entry(PutProvider, put_provider),
        _entry(RemoveProvider, remove_provider),
        _entry(PutSecret, put_secret),
        _entry(RemoveSecret, remove_secret),
        _entry(CreateAgent, create_agent),
        _entry(ReviseAgent, revise_agent),
        _entry(DeleteAgent, delete_agent),
        _entry(ExecuteAgent, execute_agent),
        _entry(CreateWorkflow, create_workflow),
        _entry(ReviseWorkflow, revise_workflow),
        _entry(DeleteWorkflow, delete_workflow),
        _entry(ExecuteWorkflow, execute_workflow),
        _entry(ShareWorkflow, share_workflow),
        _entry(EndWorkflowShare, end_workflow_share),
        _entry(ShareAgent, share_agent),
        _entry(EndAgentShare, end_agent_share),
        _entry(CancelExecution, cancel_execution),
        _entry(PauseExecution, pause_execution),
        _entry(ResumeExecution, resume_execution),
        _entry(RetryExecution, retry_execution),
        _entry(CompensateExecution, compensate_execution),
        _entry(ResolveExecution, resolve_execution),
        _entry(ForkExecution, fork_execution),
        _entry(UpgradeExecution, upgrade_execution),
        _entry(OperateInBulk, operate_in_bulk),
        _entry(SignalExecution, signal_execution),
        _entry(ReceiveWebhook, receive_webhook),
        _entry(DecideApproval, decide_approval),
        _entry(PutIdentityProvider, put_identity_provider),
        _entry(RemoveIdentityProvider, remove_identity_provider),
        _entry(IssueDirectoryToken, issue_directory_token),
        _entry(CreateDirectoryUser, create_directory_user),
        _entry(ReplaceDirectoryUser, replace_directory_user),
        _entry(RemoveDirectoryUser, remove_directory_user),
        _entry(CreateDirectoryGroup, create_directory_group),
        _entry(ReplaceDirectoryGroup, replace_directory_group),
        _entry(RemoveDirectoryGroup, remove_directory_group),
        _entry(SignInExternally, sign_in_externally),
        _entry(LinkExternalIdentity, link_external_identity),
        _entry(RemoveExternalIdentity, remove_external_identity),
        _entry(StartSession, start_session),
        _entry(EndSession, end_session),
        _entry(EndSessions, end_sessions),
        _entry(ChangePassword, change_password),
        _entry(RequestReset, request_reset),
        _entry(EnableSecondFactor, enable_second_factor),
        _entry(DisableSecondFactor, disable_second_factor),
        _entry(ReplaceRecoveryCodes, replace_recovery_codes),
        _entry(UseRecoveryCode, use_recovery_code),
        _entry(ResetSecondFactor, reset_second_factor),
        _entry(SetLoginRules, set_login_rules),
    ]
)
