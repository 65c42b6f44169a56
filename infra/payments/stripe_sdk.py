"""The only place that imports Stripe's SDK: how it reaches Stripe, and what its errors mean.

Its import costs a quarter of a second, so it happens on first use, in a thread. Everything it sends
goes through the guarded client: it follows no redirect and reads no answer without end.
"""

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from types import ModuleType
from typing import Any, cast

from commands.http_port import Http, HttpFailed, HttpRequest
from commands.payment_port import PaymentProviderRefused, PaymentProviderUnavailable
from infra.payments.stripe_objects import Members

TIMEOUT_S = 30.0
RESPONSE_BYTES_MAX = 4 * 1024 * 1024
log = logging.getLogger(__name__)

_TRY_LATER = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
)


@dataclass(frozen=True, slots=True)
class StripeSdk:
    """client: stripe.StripeClient.v1, whose calls are the `..._async` ones. module: stripe."""

    client: Any
    module: Any

    @contextmanager
    def failures_named(self) -> Generator[None]:
        """Raises PaymentProviderUnavailable, PaymentProviderRefused. What Stripe says is for the
        log: it may quote what was sent.
        """
        errors = self.module
        try:
            yield
        except errors.APIConnectionError as error:
            raise PaymentProviderUnavailable from error
        except errors.StripeError as error:
            status = error.http_status or HTTPStatus.SERVICE_UNAVAILABLE
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _TRY_LATER:
                raise PaymentProviderUnavailable from error
            if isinstance(error, errors.AuthenticationError | errors.PermissionError):
                # Of our key, which is no fault of whoever pays.
                log.error("Stripe refuses the key of this installation: %s", error.code)  # noqa: TRY400 # a traceback says no more
                raise PaymentProviderUnavailable from error
            code = error.code or type(error).__name__
            raise PaymentProviderRefused(
                f"The payment provider does not take this: {code}.", provider_code=code
            ) from error

    def declined(self, error: Exception) -> Members | None:
        """The payment intent of a card that was declined; None: it is another failure."""
        if not isinstance(error, self.module.CardError):
            return None
        told: Any = cast("Any", error).json_body
        intent: Any = told["error"].get("payment_intent")
        return cast("Members", intent) if isinstance(intent, dict) else None


def import_sdk(api_key: str, api_base: str, http: Http) -> StripeSdk:
    """Safe to call again."""
    import stripe

    # It would tell Stripe of our latencies and our platform.
    stripe.enable_telemetry = False
    # Its log lines repeat what is sent and answered.
    logging.getLogger("stripe").setLevel(logging.WARNING)
    client = stripe.StripeClient(
        api_key,
        base_addresses={"api": api_base},
        http_client=_guarded(stripe, http),
        # A worker tries again by its own schedule, and a person by themselves.
        max_network_retries=0,
    )
    return StripeSdk(client.v1, stripe)


def _guarded(stripe: ModuleType, http: Http) -> Any:
    class GuardedClient(stripe.HTTPClient):
        name = "agentledger"

        async def request_async(
            self,
            method: str,
            url: str,
            headers: Mapping[str, str],
            post_data: object = None,
        ) -> tuple[bytes, int, Mapping[str, str]]:
            body = post_data.encode() if isinstance(post_data, str) else post_data
            request = HttpRequest(
                method=method.upper(),
                url=url,
                headers=headers,
                query=(),
                body=cast("bytes | None", body),
                timeout_s=TIMEOUT_S,
                idempotency_key=headers.get("Idempotency-Key", ""),
                response_bytes_max=RESPONSE_BYTES_MAX,
                follows_redirects=False,
            )
            try:
                answer = await http.send(request)
            except HttpFailed as failure:
                raise stripe.APIConnectionError(str(failure)) from None
            return answer.body, answer.status, answer.headers

        async def close_async(self) -> None:
            """The guarded client is closed by who made it."""

    return GuardedClient()
