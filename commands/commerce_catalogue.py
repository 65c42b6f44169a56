"""The commands about what is sold: subscriptions, credits, licences; a part of
commands/catalogue.py.
"""

from commands.credits import (
    ExpireCredits,
    GrantCredits,
    WithdrawCredits,
    expire_credits,
    grant_credits,
    withdraw_credits,
)
from commands.decisions import Command, Handler, entry
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

COMMERCE: tuple[tuple[type[Command], Handler], ...] = (
    entry(Subscribe, subscribe),
    entry(ChangeSubscription, change_subscription),
    entry(CancelSubscription, cancel_subscription),
    entry(ResumeSubscription, resume_subscription),
    entry(AdvanceSubscription, advance_subscription),
    entry(GrantCredits, grant_credits),
    entry(WithdrawCredits, withdraw_credits),
    entry(ExpireCredits, expire_credits),
    entry(IssueLicence, issue_licence),
    entry(RenewLicence, renew_licence),
    entry(RevokeLicence, revoke_licence),
    entry(ActivateLicence, activate_licence),
    entry(ReleaseLicence, release_licence),
    entry(ExpireLicence, expire_licence),
)
