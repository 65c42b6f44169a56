"""Every aggregate. Importing this module registers every topic, so each process that reads events
imports it.
"""

from domain.administrators import Administrators
from domain.agents import Agent
from domain.aggregates import Aggregate
from domain.billing_accounts import BillingAccount
from domain.budgets import Budget
from domain.bulk_operations import BulkOperation
from domain.credentials import ApiKey
from domain.credits import CreditAccount
from domain.directory_groups import DirectoryGroup
from domain.directory_users import DirectoryUser
from domain.embedding_calls import EmbeddingCall
from domain.executions import Execution
from domain.external_identities import ExternalIdentity
from domain.feature_flags import FeatureFlag
from domain.identity import User
from domain.identity_providers import IdentityProvider
from domain.invoices import Invoice
from domain.licences import Licence
from domain.login_rules import LoginRules
from domain.logins import Login
from domain.payment_accounts import PaymentAccount
from domain.payments import Payment
from domain.plans import Plan
from domain.price_books import PriceBook
from domain.providers import Provider
from domain.roles import Role
from domain.secrets import Secret
from domain.sessions import Session
from domain.sharing import Sharing
from domain.storage_measurements import StorageMeasurement
from domain.subjects import DataSubject
from domain.subscriptions import Subscription
from domain.tenants import Tenant
from domain.triggers import Trigger
from domain.usage_events import UsageEvent
from domain.workflows import Workflow

AGGREGATES: tuple[type[Aggregate], ...] = (
    Administrators,
    Agent,
    ApiKey,
    BillingAccount,
    Budget,
    BulkOperation,
    CreditAccount,
    DataSubject,
    DirectoryGroup,
    DirectoryUser,
    EmbeddingCall,
    Execution,
    ExternalIdentity,
    FeatureFlag,
    IdentityProvider,
    Invoice,
    Licence,
    Login,
    LoginRules,
    Payment,
    PaymentAccount,
    Plan,
    PriceBook,
    Provider,
    Role,
    Secret,
    Session,
    Sharing,
    StorageMeasurement,
    Subscription,
    Tenant,
    Trigger,
    UsageEvent,
    User,
    Workflow,
)
