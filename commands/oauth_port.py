"""The port to identity providers: where to send a browser, and who came back.

Implemented by infra/openid.py and infra/github_login.py. What goes wrong is a LoginRefused, whose
reason is for the operator and the auditor; whoever tries to sign in hears only that it failed.
"""

from dataclasses import dataclass, field
from typing import Protocol

from domain.errors import Unauthenticated


class LoginRefused(Unauthenticated):
    """Signing in there did not succeed; begin again."""

    code = "login_refused"

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


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

    email: in lower case. domain: of which the provider says the person is a member, which is more
    than an address that was verified once; None where it says nothing.
    """

    issuer: str
    subject: str
    email: str | None = None
    is_email_verified: bool = False
    domain: str | None = None
    groups: tuple[str, ...] = ()


class IdentityProviders(Protocol):
    async def authorization_url(self, client: OAuthClient, attempt: Attempt) -> str:
        """Raises LoginRefused when the provider cannot be found or is not who it should be."""
        ...

    async def profile(self, client: OAuthClient, attempt: Attempt, returned: Returned) -> Profile:
        """Raises LoginRefused."""
        ...
