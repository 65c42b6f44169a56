"""What every kind of identity provider has in common: sending a browser there, changing the code
for tokens, and reading documents. By Authlib, through the guarded client, because tenants name the
providers; redirects are never followed, and nothing goes out without TLS.

The library logs the code verifier at DEBUG, so its logger never goes below INFO.
"""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
from authlib.common.errors import AuthlibBaseError

from commands.http_port import Http
from commands.oauth_port import Attempt, LoginRefused, OAuthClient, Returned
from infra.authlib_client import AsyncOAuth2Client
from infra.guarded_transport import GuardedTransport
from infra.http_addresses import Origin, canonical_host

EXCHANGE_TIMEOUT_S = 10.0
DOCUMENT_BYTES_MAX = 256 * 1024
OK = 200

logging.getLogger("authlib").setLevel(logging.INFO)

Document = Mapping[str, Any]


class OAuthExchange:
    """allowed: origins that need no TLS."""

    def __init__(self, http: Http, *, allowed: frozenset[Origin]) -> None:
        self._transport = GuardedTransport(
            http, timeout_s=EXCHANGE_TIMEOUT_S, response_bytes_max=DOCUMENT_BYTES_MAX
        )
        self._allowed = allowed

    async def authorization_url(
        self, client: OAuthClient, attempt: Attempt, *, endpoint: object, scope: str
    ) -> str:
        """Where the browser goes. Raises LoginRefused."""
        secure = self.secure(endpoint)
        async with self._client(client, attempt, None) as oauth:
            url, _ = oauth.create_authorization_url(
                secure,
                scope=scope,
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.code_verifier,
            )
        return url

    async def tokens(
        self,
        client: OAuthClient,
        attempt: Attempt,
        returned: Returned,
        *,
        endpoint: object,
        method: str,
    ) -> Document:
        """The answer of the token endpoint. method: how we say who we are. Raises LoginRefused."""
        secure = self.secure(endpoint)
        async with self._client(client, attempt, method) as oauth:
            try:
                return await oauth.fetch_token(
                    secure,
                    grant_type="authorization_code",
                    code=returned.code,
                    code_verifier=attempt.code_verifier,
                    redirect_uri=attempt.redirect_uri,
                )
            except (AuthlibBaseError, httpx.HTTPError, ValueError, RecursionError) as error:
                # What it says may repeat what we sent.
                reason = f"the token endpoint did not take the code ({type(error).__name__})"
                raise LoginRefused(reason) from None

    async def read(self, url: object, access_token: str | None = None) -> Any:
        """A JSON document, with the token of the person who signed in. Raises LoginRefused."""
        headers = {"Accept": "application/json"}
        if access_token is not None:
            headers["Authorization"] = f"Bearer {access_token}"
        secure = self.secure(url)
        async with httpx.AsyncClient(transport=self._transport, trust_env=False) as client:
            try:
                answer = await client.get(secure, headers=headers)
                if answer.status_code == OK:
                    return orjson.loads(answer.content)
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                raise LoginRefused(f"the provider does not answer ({error})"[:500]) from None
        raise LoginRefused(f"the provider answered {answer.status_code}")

    def secure(self, url: object) -> str:
        """A URL that may be sent secrets. Raises LoginRefused."""
        if isinstance(url, str):
            try:
                parts = urlsplit(url)
                origin = (canonical_host(parts.hostname or ""), parts.port or 80)
            except ValueError:
                raise LoginRefused("the provider named an address that cannot be one") from None
            if parts.hostname and (parts.scheme == "https" or origin in self._allowed):
                return url
        raise LoginRefused("the provider named an address without TLS")

    def _client(self, client: OAuthClient, attempt: Attempt, method: str | None) -> Any:
        """Untyped by its library."""
        return AsyncOAuth2Client(
            client_id=client.client_id,
            client_secret=client.client_secret,
            token_endpoint_auth_method=method if client.client_secret else "none",
            redirect_uri=attempt.redirect_uri,
            code_challenge_method="S256",
            transport=self._transport,
            trust_env=False,
            follow_redirects=False,
        )
