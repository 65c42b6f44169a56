# ruff: noqa: ARG002 # What the ports take.
"""Logins on their way, in memory, and a provider that says what a test wants."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from commands.authorization import Whose
from commands.oauth_port import (
    CLIENT_SECRET,
    Attempt,
    Begun,
    LoginRefused,
    OAuthClient,
    Pending,
    Profile,
    Returned,
    StoredClientSecret,
)
from domain.identifiers import TenantId
from tests.commands.fakes import World
from write_api.oauth_flow import OAuthFlow

APP = "https://app.example/login"
OWN_PAGE = "https://ledger.example/dashboard/signed-in"
STATE_CHARACTERS = 36


class FakeOAuthAttempts:
    """A state begins with its tenant; the browser keeps it backwards."""

    def __init__(self) -> None:
        self.pending: dict[str, Pending] = {}
        self.codes: dict[str, tuple[UUID, str, Sequence[str]]] = {}

    async def begin(self, tenant_id: TenantId, pending: Pending) -> Begun:
        state = f"{tenant_id}-{len(self.pending)}"
        self.pending[state] = pending
        return Begun(_attempt(state), state[::-1])

    def tenant_of(self, state: str) -> TenantId | None:
        try:
            return TenantId(UUID(state[:STATE_CHARACTERS]))
        except ValueError:
            return None

    async def finish(
        self, tenant_id: TenantId, state: str, browser_secret: str | None
    ) -> tuple[Pending, Attempt]:
        pending = self.pending.pop(state, None)
        if pending is None:
            raise LoginRefused("not this state")
        if browser_secret != state[::-1]:
            whose = (Whose(tenant_id, "identity_provider"),)
            raise LoginRefused("not this browser", whose, pending.return_to)
        return pending, _attempt(state)

    async def keep_login(
        self, tenant_id: TenantId, user_id: UUID, factors: Sequence[str], *, code_challenge: str
    ) -> str:
        code = f"{tenant_id}-code-{len(self.codes)}"
        self.codes[code] = (user_id, code_challenge, factors)
        return code

    async def pick_up(
        self, tenant_id: TenantId, code: str, code_verifier: str
    ) -> tuple[UUID, Sequence[str]]:
        user_id, challenge, factors = self.codes.pop(code, (None, "", ()))
        if user_id is None or challenge != code_verifier:
            raise LoginRefused("not this code, or not its verifier")
        return user_id, factors


class FakeClientSecrets:
    """The rows in the store."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def open(self, tenant_id: TenantId, provider_id: UUID) -> str | None:
        sealing = self._world.ports.sealing
        assert sealing is not None
        for row in reversed(self._world.store.side_rows):
            if isinstance(row, StoredClientSecret) and row.provider_id == provider_id:
                bound_to = str(provider_id)
                opened = await sealing.open(tenant_id, CLIENT_SECRET, row.sealed, bound_to)
                return opened.decode()
        return None


@dataclass
class FakeIdentityProvider:
    """Whoever comes back from it is `profile`, or is refused. clients: who asked it, in order."""

    profile_told: Profile | None = None
    clients: list[OAuthClient] = field(default_factory=list[OAuthClient])

    async def authorization_url(self, client: OAuthClient, attempt: Attempt) -> str:
        self.clients.append(client)
        return f"{client.issuer}/authorize?state={attempt.state}"

    async def profile(self, client: OAuthClient, attempt: Attempt, returned: Returned) -> Profile:
        self.clients.append(client)
        if self.profile_told is None or returned.code != "right":
            raise LoginRefused("the provider knows nobody")
        return self.profile_told


def a_flow(world: World, provider: FakeIdentityProvider) -> OAuthFlow:
    return OAuthFlow(
        events=world.store,
        dispatcher=world.dispatcher,
        attempts=FakeOAuthAttempts(),
        secrets=FakeClientSecrets(world),
        kinds=lambda: dict.fromkeys(("oidc", "google", "github"), provider),
        issuers={"google": "https://google.example", "github": "https://github.example"},
        return_to=frozenset({APP, OWN_PAGE}),
        own_page=OWN_PAGE,
    )


def _attempt(state: str) -> Attempt:
    return Attempt("http://ledger/callback", state, f"nonce of {state}", f"verifier of {state}")
