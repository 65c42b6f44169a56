"""The way of a browser to an identity provider and back.

    start ──► provider ──► callback ─┬──► tokens (the browser itself)
                                     ├──► return_to?code= ──► exchange ──► tokens (an application)
                                     └──► return_to?error= (refused)

Never is a token in a URL. An application may only be returned to where the operator said, letter by
letter, and only it can change the code, for it kept the verifier of its challenge (RFC 7636).
"""

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from commands.account_flow import NeedsSession
from commands.authorization import Caller, Whose
from commands.dispatch import Dispatcher, Origin
from commands.external_identities import LinkExternalIdentity, SignInExternally
from commands.oauth_port import (
    Attempt,
    Begun,
    ClientSecrets,
    IdentityProviders,
    LoginRefused,
    OAuthAttempts,
    OAuthClient,
    Pending,
    Profile,
    Returned,
)
from commands.ports import EventStore
from domain.errors import FieldError, Invalid
from domain.identifiers import TenantId
from domain.identity_providers import (
    IdentityProvider,
    IdentityProviderNotFound,
    identity_provider_id,
)
from domain.login_rules import MULTIPLE, at_provider
from domain.tenants import TenantSuspended

CODE_CHARACTERS_MAX = 4096
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@contextmanager
def _on_record_of(tenant_id: TenantId, pending: Pending) -> Generator[None]:
    """The tenant and its provider are there, so a refusal is on that tenant's trail."""
    try:
        yield
    except (LoginRefused, IdentityProviderNotFound) as refusal:
        is_gone = isinstance(refusal, IdentityProviderNotFound)
        reason = "the provider is configured no more" if is_gone else refusal.reason
        whose = (Whose(tenant_id, f"identity_provider:{pending.provider_id}"),)
        raise LoginRefused(reason, whose, pending.return_to) from refusal


def returning(page: str, **told: str) -> str:
    """The address of an application's page, and what it is told there."""
    return f"{page}{'&' if '?' in page else '?'}{urlencode(told)}"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody whom a session may be begun for. factors: how they proved who they are."""

    tenant_id: TenantId
    user_id: UUID
    factors: Sequence[str]


@dataclass(frozen=True, slots=True)
class Finished:
    """return_to: where the browser goes, with the code that an application picks up."""

    signed_in: SignedIn
    is_linked: bool = False
    return_to: str | None = None


@dataclass(frozen=True, slots=True)
class OAuthFlow:
    """kinds: who speaks with a provider of that kind, once it is asked for. issuers: of the kinds
    that have but one. return_to: the pages of applications that may pick up a login. own_page: the
    one of them that is ours.
    """

    events: EventStore
    dispatcher: Dispatcher
    attempts: OAuthAttempts
    secrets: ClientSecrets
    kinds: Callable[[], Mapping[str, IdentityProviders]]
    issuers: Mapping[str, str]
    return_to: frozenset[str]
    own_page: str

    async def start(
        self,
        tenant_id: TenantId,
        name: str,
        *,
        return_to: str | None = None,
        code_challenge: str | None = None,
    ) -> tuple[Begun, str]:
        """What the browser keeps, and where it goes. Raises IdentityProviderNotFound, Invalid,
        LoginRefused.
        """
        self._require_return(return_to, code_challenge)
        provider_id = identity_provider_id(tenant_id, name)
        pending = Pending(provider_id, None, return_to, code_challenge)
        return await self._begin(tenant_id, pending)

    async def start_link(self, caller: Caller, name: str) -> tuple[Begun, str]:
        """The same, to link what is found there to the caller. Raises NeedsSession unless that is a
        person who is signed in: a key may be in other hands than theirs.
        """
        if caller.tenant_id is None or caller.session_id is None:
            raise NeedsSession
        provider_id = identity_provider_id(caller.tenant_id, name)
        return await self._begin(caller.tenant_id, Pending(provider_id, caller.user_id))

    async def finish(
        self, query: Mapping[str, str], browser_secret: str | None, origin: Origin
    ) -> Finished:
        """Raises LoginRefused."""
        state = query.get("state", "")
        tenant_id = self._tenant_of(state)
        pending, attempt = await self.attempts.finish(tenant_id, state, browser_secret)
        with _on_record_of(tenant_id, pending):
            return await self._finished(tenant_id, pending, attempt, query=query, origin=origin)

    async def _finished(
        self,
        tenant_id: TenantId,
        pending: Pending,
        attempt: Attempt,
        *,
        query: Mapping[str, str],
        origin: Origin,
    ) -> Finished:
        code = query.get("code", "")
        if not 0 < len(code) <= CODE_CHARACTERS_MAX:
            raise LoginRefused("the provider sent the browser back without a code")
        provider = await self._provider(tenant_id, pending.provider_id)
        client = await self._client(tenant_id, provider)
        returned = Returned(code, query.get("iss"))
        profile = await self.kinds()[provider.kind].profile(client, attempt, returned)
        user_id = await self._identified(tenant_id, pending, profile, origin)
        at = at_provider(provider.id)
        factors = [at, MULTIPLE] if profile.is_multi_factor else [at]
        signed_in = SignedIn(tenant_id, user_id, factors)
        if pending.user_id is not None:
            return Finished(signed_in, is_linked=True)
        if pending.return_to is None or pending.code_challenge is None:
            return Finished(signed_in)
        handed = await self.attempts.keep_login(
            tenant_id, user_id, factors, code_challenge=pending.code_challenge
        )
        return Finished(signed_in, return_to=returning(pending.return_to, code=handed))

    async def pick_up(self, code: str, code_verifier: str) -> SignedIn:
        """Raises LoginRefused."""
        tenant_id = self._tenant_of(code)
        user_id, factors = await self.attempts.pick_up(tenant_id, code, code_verifier)
        return SignedIn(tenant_id, user_id, factors)

    async def _begin(self, tenant_id: TenantId, pending: Pending) -> tuple[Begun, str]:
        provider = await self._provider(tenant_id, pending.provider_id)
        begun = await self.attempts.begin(tenant_id, pending)
        client = await self._client(tenant_id, provider)
        with _on_record_of(tenant_id, pending):
            url = await self.kinds()[provider.kind].authorization_url(client, begun.attempt)
        return begun, url

    async def _identified(
        self, tenant_id: TenantId, pending: Pending, profile: Profile, origin: Origin
    ) -> UUID:
        command = (
            SignInExternally(pending.provider_id, profile)
            if pending.user_id is None
            else LinkExternalIdentity(pending.provider_id, profile, pending.user_id)
        )
        actor = f"identity_provider:{pending.provider_id}"
        caller = Caller(actor, tenant_id, frozenset({command.requires}))
        try:
            answer = await self.dispatcher.dispatch(command, caller, origin)
        except TenantSuspended:
            # Whoever has an account at the provider gets so far, whether they belong here or not.
            raise LoginRefused("the tenant is suspended") from None
        return UUID(str(answer.result["user_id"]))

    def _tenant_of(self, state: str) -> TenantId:
        tenant_id = self.attempts.tenant_of(state)
        if tenant_id is None:
            raise LoginRefused("the state or code cannot be one of ours")
        return tenant_id

    def _require_return(self, return_to: str | None, code_challenge: str | None) -> None:
        """Raises Invalid."""
        if return_to is None:
            return
        if return_to not in self.return_to:
            reason = "only addresses that the operator lets through can be returned to"
            raise Invalid(errors=[FieldError("query:return_to", "not_allowed", reason)])
        if _CHALLENGE.fullmatch(code_challenge or "") is None:
            reason = "with return_to, the S256 challenge of RFC 7636 is expected"
            raise Invalid(errors=[FieldError("query:code_challenge", "missing_field", reason)])

    async def _provider(self, tenant_id: TenantId, provider_id: UUID) -> IdentityProvider:
        provider = await self.events.load(IdentityProvider, provider_id, tenant_id)
        if provider is None or provider.is_removed:
            raise IdentityProviderNotFound
        self.events.keep(provider, tenant_id)
        return provider

    async def _client(self, tenant_id: TenantId, provider: IdentityProvider) -> OAuthClient:
        return OAuthClient(
            kind=provider.kind,
            issuer=provider.issuer or self.issuers[provider.kind],
            client_id=provider.client_id,
            client_secret=await self.secrets.open(tenant_id, provider.id),
        )
