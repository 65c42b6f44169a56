"""Who collects money for this installation, as its settings say."""

from commands.payment_port import PaymentProvider
from infra.runtime import Runtime

CONNECTIONS_MAX = 16


def build_payments(runtime: Runtime) -> PaymentProvider | None:
    """One for each who asks, closed with the runtime. None: nobody does."""
    settings = runtime.settings
    if settings.stripe_api_key is None:
        return None
    # Who needs no payments loads none of it.
    from infra.http_client import GuardedHttp
    from infra.payments.stripe_provider import StripePayments, StripeSettings

    http = GuardedHttp(allowed=settings.http_allow, connections_max=CONNECTIONS_MAX)
    runtime.at_close(http.aclose)
    stripe = StripeSettings(
        settings.stripe_api_key, settings.stripe_webhook_secrets, settings.stripe_api_base
    )
    return StripePayments(stripe, http)
