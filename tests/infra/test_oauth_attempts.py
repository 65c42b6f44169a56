"""A login on its way is finished once, in time, and by the browser that began it."""

import asyncio
from base64 import urlsafe_b64encode
from hashlib import sha256
from uuid import UUID

import psycopg
import pytest

from commands.oauth_port import LoginRefused, Pending
from domain.identifiers import TenantId
from infra.clock import Uuid7Ids
from infra.oauth_attempts import PostgresOAuthAttempts
from tests.commands.fakes import FakeClock
from tests.infra.conftest import Parts

IDS = Uuid7Ids()
PROVIDER = UUID(int=5)
FACTORS = ["identity_provider", "mfa"]
PENDING = Pending(PROVIDER, None, "https://app.example/login", "c" * 43)
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


class Attempts:
    """A tenant of its own, and a clock to move."""

    def __init__(self, made: PostgresOAuthAttempts, clock: FakeClock) -> None:
        self.made = made
        self.clock = clock
        self.tenant_id = TenantId(IDS.new())

    async def refuses(self, state: str, browser: str | None, tenant: TenantId | None = None) -> str:
        with pytest.raises(LoginRefused) as refused:
            await self.made.finish(tenant or self.tenant_id, state, browser)
        return refused.value.reason

    async def refuses_code(self, code: str, verifier: str = VERIFIER) -> str:
        with pytest.raises(LoginRefused) as refused:
            await self.made.pick_up(self.tenant_id, code, verifier)
        return refused.value.reason


@pytest.fixture
async def attempts(parts: Parts) -> Attempts:
    clock = FakeClock()
    redirect_uri = "https://ledger.example/callback"
    made = PostgresOAuthAttempts(await parts.database("api"), clock, redirect_uri=redirect_uri)
    return Attempts(made, clock)


async def test_what_was_begun_is_finished_by_the_same_browser(attempts: Attempts) -> None:
    begun = await attempts.made.begin(attempts.tenant_id, PENDING)
    state = begun.attempt.state
    assert attempts.made.tenant_of(state) == attempts.tenant_id
    finished = await attempts.made.finish(attempts.tenant_id, state, begun.browser_secret)
    assert finished == (PENDING, begun.attempt)
    assert begun.attempt.redirect_uri == "https://ledger.example/callback"
    secrets = {state, begun.attempt.nonce, begun.attempt.code_verifier, begun.browser_secret}
    assert len(secrets) == 4


async def test_state_replayed(attempts: Attempts) -> None:
    begun = await attempts.made.begin(attempts.tenant_id, PENDING)
    await attempts.made.finish(attempts.tenant_id, begun.attempt.state, begun.browser_secret)
    again = await attempts.refuses(begun.attempt.state, begun.browser_secret)
    assert again == "the state is unknown, or was used before"


async def test_state_replayed_at_the_same_time(attempts: Attempts) -> None:
    begun = await attempts.made.begin(attempts.tenant_id, PENDING)
    one = (attempts.tenant_id, begun.attempt.state, begun.browser_secret)
    outcomes = await asyncio.gather(
        *(attempts.made.finish(*one) for _ in range(8)), return_exceptions=True
    )
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1


async def test_state_forged(attempts: Attempts) -> None:
    begun = await attempts.made.begin(attempts.tenant_id, PENDING)
    forged = begun.attempt.state[:-1] + ("A" if begun.attempt.state[-1] != "A" else "B")
    assert "unknown" in await attempts.refuses(forged, begun.browser_secret)
    await attempts.made.finish(attempts.tenant_id, begun.attempt.state, begun.browser_secret)


@pytest.mark.parametrize(
    "state", ["", "a" * 63, "a" * 65, "a" * 63 + "=", "a" * 63 + "\n", "ä" * 64]
)
def test_what_cannot_be_a_state_names_no_tenant(state: str) -> None:
    made = PostgresOAuthAttempts(None, FakeClock(), redirect_uri="")  # pyright: ignore[reportArgumentType] # not asked
    assert made.tenant_of(state) is None


async def test_state_of_another_browser_is_used_up_by_the_attempt(attempts: Attempts) -> None:
    for browser in (None, "", "x" * 43, "x" * 44):
        begun = await attempts.made.begin(attempts.tenant_id, PENDING)
        state = begun.attempt.state
        assert "browser" in await attempts.refuses(state, browser)
        assert "used before" in await attempts.refuses(state, begun.browser_secret)


async def test_state_of_another_tenant(attempts: Attempts) -> None:
    begun = await attempts.made.begin(attempts.tenant_id, PENDING)
    other = TenantId(IDS.new())
    assert "unknown" in await attempts.refuses(begun.attempt.state, begun.browser_secret, other)


async def test_state_that_took_too_long(attempts: Attempts) -> None:
    begun = await attempts.made.begin(attempts.tenant_id, PENDING)
    attempts.clock.pass_time(minutes=10)
    refusal = await attempts.refuses(begun.attempt.state, begun.browser_secret)
    assert refusal == "the login took too long"


async def test_the_table_lets_nobody_finish_a_login_and_forgets_what_nobody_came_back_for(
    attempts: Attempts, database_url: str
) -> None:
    begun = await attempts.made.begin(attempts.tenant_id, PENDING)
    code = await attempts.made.keep_login(
        attempts.tenant_id, PROVIDER, FACTORS, code_challenge=CHALLENGE
    )
    dump = "".join(str(row) for row in _rows(database_url, attempts.tenant_id))
    attempt = begun.attempt
    secrets = (attempt.state, attempt.nonce, attempt.code_verifier, begun.browser_secret, code)
    for secret in secrets:
        assert secret not in dump
    attempts.clock.pass_time(hours=1)
    await attempts.made.begin(attempts.tenant_id, PENDING)
    await attempts.made.keep_login(attempts.tenant_id, PROVIDER, FACTORS, code_challenge=CHALLENGE)
    assert len(_rows(database_url, attempts.tenant_id)) == 2


async def test_a_code_is_picked_up_once_and_by_who_kept_the_verifier(attempts: Attempts) -> None:
    code = await attempts.made.keep_login(
        attempts.tenant_id, PROVIDER, FACTORS, code_challenge=CHALLENGE
    )
    assert await attempts.made.pick_up(attempts.tenant_id, code, VERIFIER) == (
        PROVIDER,
        FACTORS,
    )
    assert "used before" in await attempts.refuses_code(code)


@pytest.mark.parametrize("verifier", ["w" * 43, "", "v" * 42, "v" * 129, CHALLENGE])
async def test_a_code_that_was_stolen_is_used_up_by_a_wrong_verifier(
    attempts: Attempts, verifier: str
) -> None:
    code = await attempts.made.keep_login(
        attempts.tenant_id, PROVIDER, FACTORS, code_challenge=CHALLENGE
    )
    assert "verifier" in await attempts.refuses_code(code, verifier)
    assert "used before" in await attempts.refuses_code(code)


async def test_a_code_is_good_for_a_minute(attempts: Attempts) -> None:
    code = await attempts.made.keep_login(
        attempts.tenant_id, PROVIDER, FACTORS, code_challenge=CHALLENGE
    )
    attempts.clock.pass_time(seconds=60)
    assert await attempts.refuses_code(code) == "the code was picked up too late"


def _rows(database_url: str, tenant_id: TenantId) -> list[object]:
    with psycopg.connect(database_url, autocommit=True) as owner:
        rows: list[object] = []
        for table in ("oauth_attempts", "oauth_codes"):
            found = owner.execute(
                f"SELECT * FROM agentledger.{table} WHERE tenant_id = %s",  # pyright: ignore[reportArgumentType] # of ours
                (tenant_id,),
            )
            rows.extend(found.fetchall())
        return rows
