"""OpenID Connect: discovery, the authorization code flow with PKCE, and the ID token.

issuer ──► metadata (its issuer must be this one) ──► authorization_endpoint ──► browser
code ──► token_endpoint ──► ID token ──► key of jwks_uri, algorithm, iss, aud, azp, exp, nonce
"""

from collections.abc import Callable
from typing import Any, cast

from authlib.oidc.discovery import get_well_known_url

from commands.oauth_port import Attempt, LoginRefused, OAuthClient, Profile, Returned
from commands.ports import Clock
from domain.login_rules import MULTIPLE
from infra.id_tokens import Claims, key_id_of, key_named, verified_claims
from infra.kept_documents import KeptDocuments
from infra.oauth_exchange import Document, OAuthExchange

SCOPE = "openid email profile"
DOCUMENT_KEPT_S = 600.0
EMAIL_CHARACTERS_MAX = 254
TEXTS_MAX = 200


class OpenId:
    """Implements commands.oauth_port.IdentityProviders for every issuer that speaks OpenID."""

    def __init__(
        self, exchange: OAuthExchange, clock: Clock, *, monotonic_s: Callable[[], float]
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._documents = KeptDocuments(
            exchange.read, kept_s=DOCUMENT_KEPT_S, monotonic_s=monotonic_s
        )

    async def authorization_url(self, client: OAuthClient, attempt: Attempt) -> str:
        metadata = await self._metadata(client.issuer)
        endpoint = metadata.get("authorization_endpoint")
        return await self._exchange.authorization_url(
            client, attempt, endpoint=endpoint, scope=SCOPE
        )

    async def profile(self, client: OAuthClient, attempt: Attempt, returned: Returned) -> Profile:
        metadata = await self._metadata(client.issuer)
        _require_issuer(metadata, client.issuer, returned.issuer)
        tokens = await self._exchange.tokens(
            client,
            attempt,
            returned,
            endpoint=metadata.get("token_endpoint"),
            method=_client_method(metadata),
        )
        signed = claims = await self._claims(client, attempt, metadata, tokens)
        if "email" not in claims and "userinfo_endpoint" in metadata:
            claims = {**await self._userinfo(metadata, tokens, claims["sub"]), **claims}
        is_multi_factor = MULTIPLE in _texts(signed.get("amr"))
        return _profile(client.issuer, claims, is_multi_factor=is_multi_factor)

    async def _metadata(self, issuer: str) -> Document:
        url = get_well_known_url(issuer, external=True)
        metadata = await self._documents.get(url)
        if metadata.get("issuer") != issuer:
            raise LoginRefused("the discovery document is of another issuer")
        return metadata

    async def _claims(
        self, client: OAuthClient, attempt: Attempt, metadata: Document, tokens: Document
    ) -> Claims:
        id_token = tokens.get("id_token")
        key_id = key_id_of(id_token)
        # Keys may have changed since they were read, so an unknown one is looked for once more.
        for is_fresh in (False, True):
            document = await self._documents.get(metadata.get("jwks_uri"), is_fresh=is_fresh)
            keys = key_named(key_id, document)
            if keys is not None:
                return verified_claims(
                    str(id_token),
                    keys,
                    issuer=client.issuer,
                    client_id=client.client_id,
                    nonce=attempt.nonce,
                    access_token=tokens.get("access_token"),
                    now_s=int(self._clock.now().timestamp()),
                )
        raise LoginRefused("the ID token names a key that the provider does not have")

    async def _userinfo(self, metadata: Document, tokens: Document, subject: str) -> Claims:
        url = metadata.get("userinfo_endpoint")
        told: Any = await self._exchange.read(url, str(tokens.get("access_token")))
        if not isinstance(told, dict) or cast("Claims", told).get("sub") != subject:
            raise LoginRefused("the user info is of somebody else")
        return cast("Claims", told)


def _client_method(metadata: Document) -> str:
    offered = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    if "client_secret_basic" not in offered and "client_secret_post" in offered:
        return "client_secret_post"
    return "client_secret_basic"


def _require_issuer(metadata: Document, issuer: str, returned: str | None) -> None:
    """RFC 9207: the answer must come from where the browser was sent. Raises LoginRefused."""
    is_promised = metadata.get("authorization_response_iss_parameter_supported") is True
    if returned != issuer and (returned is not None or is_promised):
        raise LoginRefused("the answer came from another issuer")


def _profile(issuer: str, claims: Claims, *, is_multi_factor: bool) -> Profile:
    email, domain = claims.get("email"), claims.get("hd")
    if not isinstance(email, str) or not 0 < len(email) <= EMAIL_CHARACTERS_MAX:
        email = None
    return Profile(
        issuer=issuer,
        subject=claims["sub"],
        email=None if email is None else email.casefold(),
        is_email_verified=email is not None and claims.get("email_verified") is True,
        domain=domain.casefold() if isinstance(domain, str) else None,
        groups=_texts(claims.get("groups")),
        is_multi_factor=is_multi_factor,
    )


def _texts(told: object) -> tuple[str, ...]:
    if not isinstance(told, list):
        return ()
    return tuple(text for text in cast("list[object]", told)[:TEXTS_MAX] if isinstance(text, str))
