"""GitHub: plain OAuth 2, without an ID token. Who signed in is what its API says to the token, and
the number of the account is the subject: names are given to others.
"""

from typing import Any, cast

from commands.oauth_port import Attempt, LoginRefused, OAuthClient, Profile, Returned
from infra.oauth_exchange import OAuthExchange

SCOPE = "read:user user:email"
EMAILS_MAX = 100


class GitHub:
    """Implements commands.oauth_port.IdentityProviders. api_url: of its API."""

    def __init__(self, exchange: OAuthExchange, *, api_url: str) -> None:
        self._exchange = exchange
        self._api_url = api_url.rstrip("/")

    async def authorization_url(self, client: OAuthClient, attempt: Attempt) -> str:
        endpoint = f"{client.issuer}/login/oauth/authorize"
        return await self._exchange.authorization_url(
            client, attempt, endpoint=endpoint, scope=SCOPE
        )

    async def profile(self, client: OAuthClient, attempt: Attempt, returned: Returned) -> Profile:
        if returned.issuer not in {None, client.issuer, f"{client.issuer}/login/oauth"}:
            raise LoginRefused("the answer came from another issuer")
        endpoint = f"{client.issuer}/login/oauth/access_token"
        tokens = await self._exchange.tokens(
            client, attempt, returned, endpoint=endpoint, method="client_secret_post"
        )
        access_token = tokens.get("access_token")
        if not isinstance(access_token, str):
            raise LoginRefused("there is no access token")
        account: Any = await self._exchange.read(f"{self._api_url}/user", access_token)
        number = cast("dict[str, Any]", account).get("id") if isinstance(account, dict) else None
        if type(number) is not int or number <= 0:
            raise LoginRefused("the account has no number")
        emails: Any = await self._exchange.read(f"{self._api_url}/user/emails", access_token)
        email = _primary(emails)
        return Profile(client.issuer, str(number), email, is_email_verified=email is not None)


def _primary(told: object) -> str | None:
    """The address that is primary and verified, if there is one."""
    for entry in cast("list[object]", told)[:EMAILS_MAX] if isinstance(told, list) else ():
        if isinstance(entry, dict):
            address = cast("dict[str, object]", entry)
            is_theirs = address.get("primary") is True and address.get("verified") is True
            email = address.get("email")
            if is_theirs and isinstance(email, str):
                return email.casefold()
    return None
