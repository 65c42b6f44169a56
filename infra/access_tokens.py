"""Access tokens: JWTs (RFC 9068) that say who a person is, for a quarter of an hour, to us and to
whoever has our public keys. What they may do is not in them: it is looked up, so that it changes at
once.

    {"alg": "Ed25519", "kid": ..., "typ": "at+jwt"} . {iss, aud, sub, tid, sid, jti, iat, nbf, exp}

Only a header of exactly these members is looked at further, so nothing in it can name another key
or algorithm. A token that only proves a first factor (`mfa+jwt`) has another type, and an audience
for each purpose: to prove the second factor, or to set one up. `amr` (RFC 8176) names the first.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast
from uuid import UUID

from joserfc import jws, jwt
from joserfc.errors import JoseError

from commands.authorization import Whose
from commands.login_port import MfaClaims, MfaPurpose
from commands.ports import Clock, Ids
from domain.errors import Unauthenticated
from domain.identifiers import TenantId
from domain.login_rules import is_factor
from infra.signing_keys import SigningKeys

ALGORITHM = "Ed25519"
ACCESS_TYPE, MFA_TYPE = "at+jwt", "mfa+jwt"
TOKEN_CHARACTERS_MAX = 2048
# An authenticator may have to be installed first.
MFA_LIFETIMES_S: Mapping[MfaPurpose, int] = {"second-factor": 300, "second-factor-setup": 900}
# Clocks of our processes differ by less.
SKEW_S = 5
EXPIRED = "the token has expired"

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_HEADER = {"alg", "kid", "typ"}
_TEXTS = ("iss", "aud", "sub", "tid", "jti")
_NUMBERS = ("iat", "nbf", "exp")


class BadToken(Unauthenticated):
    """The access token is not valid or has expired."""


class AccessClaims(NamedTuple):
    tenant_id: TenantId
    user_id: UUID
    session_id: UUID
    expires_at_s: int


@dataclass(frozen=True, slots=True)
class SignedAccessTokens:
    """Implements commands.login_port.AccessTokens. issuer: who we are, to others too. audience: the
    one service that these tokens are for.
    """

    keys: SigningKeys
    clock: Clock
    ids: Ids
    issuer: str
    audience: str
    lifetime_s: int

    async def mint(self, tenant_id: TenantId, user_id: UUID, session_id: UUID) -> str:
        own = {"aud": self.audience, "sid": str(session_id)}
        return await self._mint(
            ACCESS_TYPE, tenant_id, user_id, own=own, lifetime_s=self.lifetime_s
        )

    async def mint_mfa(
        self, purpose: MfaPurpose, tenant_id: TenantId, user_id: UUID, factors: Sequence[str]
    ) -> str:
        own = {"aud": f"{self.audience}/{purpose}", "amr": list(factors)}
        lifetime_s = MFA_LIFETIMES_S[purpose]
        return await self._mint(MFA_TYPE, tenant_id, user_id, own=own, lifetime_s=lifetime_s)

    async def verify(self, text: str) -> AccessClaims:
        """Raises BadToken."""
        claims = await self._verify(text, ACCESS_TYPE, self.audience)
        tenant_id, user_id = TenantId(_uuid(claims["tid"])), _uuid(claims["sub"])
        return AccessClaims(tenant_id, user_id, _uuid(claims.get("sid")), claims["exp"])

    async def verify_mfa(self, purpose: MfaPurpose, text: str) -> MfaClaims:
        claims = await self._verify(text, MFA_TYPE, f"{self.audience}/{purpose}")
        tenant_id, user_id = TenantId(_uuid(claims["tid"])), _uuid(claims["sub"])
        return MfaClaims(tenant_id, user_id, _factors(claims.get("amr")))

    async def _mint(
        self,
        kind: str,
        tenant_id: TenantId,
        user_id: UUID,
        *,
        own: Mapping[str, str | list[str]],
        lifetime_s: int,
    ) -> str:
        key = await self.keys.signing()
        now_s = int(self.clock.now().timestamp())
        claims = {
            "iss": self.issuer,
            "sub": str(user_id),
            "tid": str(tenant_id),
            "jti": str(self.ids.new()),
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + lifetime_s,
            **own,
        }
        header = {"alg": ALGORITHM, "kid": key.kid, "typ": kind}
        return jwt.encode(header, claims, key, algorithms=[ALGORITHM])

    async def _verify(self, text: str, kind: str, audience: str) -> dict[str, Any]:
        if len(text) > TOKEN_CHARACTERS_MAX or _COMPACT.fullmatch(text) is None:
            raise BadToken
        key = await self.keys.verifying(_key_id(text, kind))
        if key is None:
            raise BadToken
        try:
            claims = jwt.decode(text, key, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError):
            raise BadToken from None
        self._require_claims(claims, audience)
        return claims

    def _require_claims(self, claims: dict[str, Any], audience: str) -> None:
        """Raises BadToken. Types first: a list of issuers is no issuer, and true is no time."""
        if any(type(claims.get(name)) is not str for name in _TEXTS):
            raise BadToken
        if any(type(claims.get(name)) is not int for name in _NUMBERS):
            raise BadToken
        if claims["iss"] != self.issuer or claims["aud"] != audience:
            raise BadToken
        now_s = int(self.clock.now().timestamp())
        if claims["nbf"] > now_s + SKEW_S or claims["iat"] > now_s + SKEW_S:
            raise BadToken
        if claims["exp"] <= now_s:
            raise refused_token(TenantId(_uuid(claims["tid"])), _uuid(claims["sub"]), EXPIRED)


def refused_token(tenant_id: TenantId, user_id: UUID, reason: str) -> BadToken:
    """One that we signed and that does not count any more: the tenant can read why."""
    return BadToken(whose=(Whose(tenant_id, f"user:{user_id}"),), reason=reason)


def looks_like_token(text: str) -> bool:
    """Whether it has the form of a JWT, which no API key has."""
    return _COMPACT.fullmatch(text) is not None


def _key_id(text: str, kind: str) -> str:
    """Of a header that is exactly as ours. Raises BadToken."""
    try:
        header = jws.extract_compact(text.encode()).headers()
    except (JoseError, ValueError, TypeError, AttributeError):
        raise BadToken from None
    key_id = header.get("kid")
    if header.keys() != _HEADER or header["alg"] != ALGORITHM or header["typ"] != kind:
        raise BadToken
    if type(key_id) is not str:
        raise BadToken
    return key_id


def _factors(told: object) -> list[str]:
    """Raises BadToken for what no token of ours has."""
    named = cast("list[object]", told) if isinstance(told, list) else []
    factors = [one for one in named if isinstance(one, str) and is_factor(one)]
    if not factors or len(factors) != len(named):
        raise BadToken
    return factors


def _uuid(text: object) -> UUID:
    try:
        return UUID(str(text))
    except ValueError:
        raise BadToken from None
