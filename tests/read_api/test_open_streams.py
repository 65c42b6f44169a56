"""What is open when somebody may less than before: a subscription and a stream of server-sent
events end, with an access token and a share, within the time of the next look.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from infra.access_tokens import SignedAccessTokens
from infra.authentication import Authentication
from infra.data_keys import DataKeys
from infra.key_encryption import KeyEncryption
from infra.session_tokens import SessionTokens
from infra.signing_keys import SigningKeys
from tests.logins.stage import AUDIENCE, ISSUER, SCRYPT_N, MovedClock
from tests.plain_http import NO_AUTHORITIES, PATIENCE_S
from tests.projections.histories import IDS, Stream
from tests.read_api.api import Api
from tests.read_api.sockets import Frame, Socket, connected, frames, serving
from tests.read_api.test_sharing import a_run_of, a_workflow_of

VERSIONS = "subscription($id: ID!) { executionUpdates(id: $id) { version } }"
AGAIN_S = 0.05


@dataclass
class Watch:
    """Vic, a VIEWER who is logged in, and a run of others that is shared with Vic. time_s: of
    the clock for how long callers are remembered.
    """

    api: Api
    address: str
    clock: MovedClock
    time_s: list[float]
    vic: UUID
    token: str
    run: Stream

    async def change(self, statement: str) -> None:
        """As its command stores it; nobody tells this process."""
        await self.api.ledger.fetch(statement, self.api.tenant_id)
        self.time_s[0] += 60

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        async with connected(self.address) as socket:
            await socket.begin({"Authorization": f"Bearer {self.token}"})
            await socket.subscribe(VERSIONS, id=str(self.run.stream_id))
            await socket.following(3)
            yield socket

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[AsyncIterator[Frame | str]]:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            httpx.AsyncClient(
                base_url=f"http://{self.address}",
                headers=headers,
                timeout=PATIENCE_S,
                verify=NO_AUTHORITIES,
            ) as client,
            client.stream("GET", f"/api/v1/executions/{self.run.stream_id}/events") as response,
        ):
            assert response.status_code == 200
            told = frames(response)
            await anext(told)
            yield told

    async def ends_stream(self, told: AsyncIterator[Frame | str]) -> None:
        async with asyncio.timeout(60):
            assert [frame.id async for frame in told if isinstance(frame, Frame)] == [2, 3]


@pytest.fixture
async def watch(api: Api) -> AsyncIterator[Watch]:
    reader = await api.ledger.database("api")
    clock, time_s = MovedClock(), [0.0]
    keys = DataKeys(
        reader,
        KeyEncryption(reader, [api.ledger.master_key], scrypt_n=SCRYPT_N),
        monotonic_s=asyncio.get_running_loop().time,
    )
    signing = SigningKeys(
        reader, keys, clock, IDS, max_age=timedelta(days=30), monotonic_s=lambda: time_s[0]
    )
    tokens = SignedAccessTokens(signing, clock, IDS, ISSUER, AUDIENCE, 15 * 60)
    authentication = Authentication(
        reader,
        clock,
        operator_key=None,
        sessions=SessionTokens(reader, tokens, clock, monotonic_s=lambda: time_s[0]),
        monotonic_s=lambda: time_s[0],
        key_used=lambda _key_id, _tenant_id: None,
    )
    vic, ada, session_id = IDS.new(), IDS.new(), IDS.new()
    workflow = a_workflow_of(api, ada)
    run = a_run_of(workflow, ada)
    run.events.pop()  # Its end: it goes on.
    await api.happened(workflow, run)
    await api.ledger.fetch(
        "WITH person AS (INSERT INTO user_access (tenant_id, user_id, role, status)"
        "  VALUES (%s, %s, 'VIEWER', 'ACTIVE'))"
        " INSERT INTO shares (tenant_id, shared_id, grantee, access) VALUES (%s, %s, %s, 'view')",
        *(api.tenant_id, vic, api.tenant_id, workflow.stream_id, f"user:{vic}"),
    )
    await api.ledger.fetch(
        "INSERT INTO sessions (tenant_id, session_id, user_id, expires_at) VALUES (%s, %s, %s, %s)",
        *(api.tenant_id, session_id, vic, datetime(2100, 1, 1, tzinfo=UTC)),
    )
    token = await tokens.mint(api.tenant_id, vic, session_id)
    api.dependencies = replace(api.dependencies, authenticate=authentication.authenticate)
    app = api.app(authenticate_again_s=AGAIN_S, heartbeat_s=AGAIN_S, poll_s=AGAIN_S)
    async with serving(app) as address:
        yield Watch(api, address, clock, time_s, vic, token, run)


async def test_when_a_share_ends_the_run_is_told_no_further(watch: Watch) -> None:
    async with watch.socket() as socket, watch.stream() as told:
        await watch.change("DELETE FROM shares WHERE tenant_id = %s")
        refusal = await socket.receive()
        assert refusal["type"] == "error"
        assert refusal["payload"][0]["extensions"]["code"] == "not_found"
        await watch.ends_stream(told)


async def test_when_a_role_changes_what_is_open_ends_and_is_asked_for_anew(watch: Watch) -> None:
    async with watch.socket() as socket, watch.stream() as told:
        await watch.change("UPDATE user_access SET role = 'USER' WHERE tenant_id = %s")
        assert await socket.close_code() == 4403
        assert socket.connection.close_reason == "What you may do has changed: connect again"
        await watch.ends_stream(told)
    async with watch.socket():
        pass  # As a USER they see it as well.


async def test_when_somebody_is_deactivated_what_is_open_ends(watch: Watch) -> None:
    async with watch.socket() as socket, watch.stream() as told:
        await watch.change("UPDATE user_access SET status = 'DEACTIVATED' WHERE tenant_id = %s")
        assert await socket.close_code() in {4401, 1000}
        await watch.ends_stream(told)


async def test_when_an_access_token_expires_what_is_open_ends_and_says_why(watch: Watch) -> None:
    async with watch.socket() as socket, watch.stream() as told:
        watch.clock.pass_time(minutes=16)
        assert await socket.close_code() == 4401
        assert socket.connection.close_reason == "The access token is not valid or has expired."
        await watch.ends_stream(told)
