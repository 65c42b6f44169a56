"""What is over leaves the side tables; what is not stays."""

from psycopg import AsyncConnection

from infra.login_cleaning import LoginCleaning
from tests.infra.conftest import Parts
from tests.logins.stage import Stage, unique_email

COUNTS = (
    "SELECT (SELECT count(*) FROM agentledger.sessions),"
    " (SELECT count(*) FROM agentledger.refresh_tokens),"
    " (SELECT count(*) FROM agentledger.login_attempts)"
)
AGE_SESSIONS = (
    "UPDATE agentledger.sessions SET expires_at = now() - interval '2 days' WHERE user_id = %s"
)
AGE_ATTEMPTS = (
    "UPDATE agentledger.login_attempts SET counted_at = now() - interval '2 days'"
    " WHERE failures > 0"
)


async def test_a_session_that_is_over_goes_with_its_tokens(
    login: Stage, parts: Parts, database_url: str
) -> None:
    over, alive = unique_email(), unique_email()
    _, user_id = await login.a_tenant(over)
    await login.a_tenant(alive)
    await login.refreshed((await login.logged_in(over)).refresh)
    kept = await login.logged_in(alive)
    await login.login(unique_email(), "a wrong password")
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        await owner.execute(AGE_SESSIONS, (user_id,))
        await owner.execute(AGE_ATTEMPTS)
        before = await (await owner.execute(COUNTS)).fetchone()
        cleaning = LoginCleaning(await parts.database("worker"))
        assert not await cleaning.work_once()
        after = await (await owner.execute(COUNTS)).fetchone()
    assert before is not None
    assert after is not None
    gone = [old - new for old, new in zip(before, after, strict=True)]
    assert gone[:2] == [1, 2]
    assert gone[2] >= 1
    await login.refreshed(kept.refresh)
