"""The port to identity providers: where to send a browser, and who came back.

Implemented by infra/openid.py and infra/github_login.py. What goes wrong is a LoginRefused, whose
reason is for the operator and the auditor; whoever tries to sign in hears only that it failed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from commands.authorization import Whose
from domain.errors import Unauthenticated
from domain.identifiers import TenantId

# What a client secret is sealed for; see commands/sealing_port.py. It is bound to its provider.
CLIENT_SECRET = "identity_provider.client_secret"  # noqa: S105 # names one, and is none


class LoginRefused(Unauthenticated):
    """Signing in there did not succeed; begin again."""

    code = "login_refused"

    def __init__(
        self, reason: str, whose: Sequence[Whose] = (), return_to: str | None = None
    ) -> None:
        """whose: of the tenant, once it is known that there is such a login or provider. return_to:
        the page that the login began at.
        """
        super().__init__(reason=reason, whose=whose)
        self.reason = reason
        self.return_to = return_to


@dataclass(frozen=True, slots=True)
class StoredClientSecret:
    """The newest; the one before it is gone."""

    provider_id: UUID
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemovedClientSecret:
    provider_id: UUID


ClientSecretRow = StoredClientSecret | RemovedClientSecret


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """What we are at a provider. issuer: as its kind or its configuration says."""

    kind: str
    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way of a browser to the provider and back. nonce and code_verifier are known to nobody
    but that browser and us.
    """

    redirect_uri: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Returned:
    """What the browser brought back. issuer: the parameter `iss` of RFC 9207."""

    code: str = field(repr=False)
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """Who signed in, as the provider said and we verified. subject: never changes at its issuer.

    email: in lower case. is_multi_factor: whether it says that there was more than a password.
    domain: of which the provider says the person is a member, which is more
    than an address that was verified once; None where it says nothing.
    """

    issuer: str
    subject: str
    email: str | None = None
    is_email_verified: bool = False
    domain: str | None = None
    groups: tuple[str, ...] = ()
    is_multi_factor: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """A login on its way. user_id: whom the identity is to be linked to; None to sign in.

    return_to: the page of an application that picks up the login, with the challenge (RFC 7636)
    that only it can answer; None answers the browser itself.
    """

    provider_id: UUID
    user_id: UUID | None = None
    return_to: str | None = None
    code_challenge: str | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """browser_secret: what the browser keeps. attempt: made from it and the state."""

    attempt: Attempt
    browser_secret: str = field(repr=False)


class OAuthAttempts(Protocol):
    """Logins on their way. Each ends after a few minutes, or with its one use."""

    async def begin(self, tenant_id: TenantId, pending: Pending) -> Begun: ...

    def tenant_of(self, state: str) -> TenantId | None:
        """Of a state or code; None when it cannot be one of ours."""
        ...

    async def finish(
        self, tenant_id: TenantId, state: str, browser_secret: str | None
    ) -> tuple[Pending, Attempt]:
        """Whatever comes of it, this was its one use. Raises LoginRefused."""
        ...

    async def keep_login(
        self, tenant_id: TenantId, user_id: UUID, factors: Sequence[str], *, code_challenge: str
    ) -> str:
        """The code that an application changes for a session."""
        ...

    async def pick_up(
        self, tenant_id: TenantId, code: str, code_verifier: str
    ) -> tuple[UUID, Sequence[str]]:
        """Who signed in, and by which factors. Whatever comes of it, this was the one use of the
        code. Raises LoginRefused.
        """
        ...


class ClientSecrets(Protocol):
    async def open(self, tenant_id: TenantId, provider_id: UUID) -> str | None: ...


class IdentityProviders(Protocol):
    async def authorization_url(self, client: OAuthClient, attempt: Attempt) -> str:
        """Raises LoginRefused when the provider cannot be found or is not who it should be."""
        ...

    async def profile(self, client: OAuthClient, attempt: Attempt, returned: Returned) -> Profile:
        """Raises LoginRefused."""
        ...
