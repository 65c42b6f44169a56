"""Live text between processes: sealed, in pieces that fit, and only of what somebody follows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from psycopg import AsyncConnection

from domain.identifiers import TenantId
from infra.data_keys import DataKeys
from infra.live_text import CHANNEL, PIECE_CHARACTERS_MAX, LiveText
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS

WAIT_S = 60


@asynccontextmanager
async def a_process(parts: Parts) -> AsyncIterator[LiveText]:
    live = LiveText()

    async def keys() -> DataKeys:
        return parts.keys

    task = asyncio.create_task(live.exchange(parts.conninfo("tail"), keys))
    try:
        yield live
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_followed(live: LiveText, tenant: TenantId, run: object) -> None:
    async with asyncio.timeout(WAIT_S):
        while not live.is_followed(tenant, run):  # pyright: ignore[reportArgumentType] # an id
            await asyncio.sleep(0.005)


async def test_text_reaches_who_follows_in_another_process_and_nobody_reads_it_on_its_way(
    parts: Parts,
) -> None:
    tenant, run = TenantId(IDS.new()), IDS.new()
    text = "🙂\x00" * PIECE_CHARACTERS_MAX
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(a_process(parts))
        api = await stack.enter_async_context(a_process(parts))
        spy = await stack.enter_async_context(
            await AsyncConnection.connect(parts.conninfo("tail"), autocommit=True)
        )
        await spy.execute("LISTEN " + CHANNEL)
        call = stack.enter_context(worker.call(tenant, run, "draft", 1))
        call.tell("Before anybody followed, ")
        call.flush()
        following = stack.enter_context(api.follow(tenant, run))
        await until_followed(worker, tenant, run)
        call.tell(text)
        call.flush()
        heard = ""
        async with asyncio.timeout(WAIT_S):
            while len(heard) < len(text) + 25:
                piece = await following.next()
                assert (piece.path, piece.attempt, piece.offset) == ("draft", 1, len(heard))
                heard += piece.text
        assert heard == "Before anybody followed, " + text
        payloads = [told.payload async for told in spy.notifies(timeout=0.5, stop_after=4)]
        assert any(len(payload) > PIECE_CHARACTERS_MAX for payload in payloads)
        assert not any("draft" in payload or "🙂" in payload for payload in payloads)


async def test_what_is_forged_on_the_channel_is_not_heard(parts: Parts) -> None:
    tenant, run = TenantId(IDS.new()), IDS.new()
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(a_process(parts))
        api = await stack.enter_async_context(a_process(parts))
        following = stack.enter_context(api.follow(tenant, run))
        await until_followed(worker, tenant, run)
        forger = await stack.enter_async_context(
            await AsyncConnection.connect(parts.conninfo("tail"), autocommit=True)
        )
        for forged in ("", "x y z", f"{tenant} {run} AAAA", f"{tenant} {run} Zm9yZ2Vk" + "A" * 60):
            await forger.execute("SELECT pg_notify(%s, %s)", (CHANNEL, forged))
        call = stack.enter_context(worker.call(tenant, run, "draft", 1))
        call.tell("true")
        call.flush()
        async with asyncio.timeout(WAIT_S):
            assert (await following.next()).text == "true"
