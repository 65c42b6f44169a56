"""Assembles the saga that counts what tenants keep."""

from commands.price_port import Prices
from infra.runtime import Runtime
from infra.storage import PostgresStorage
from sagas.storage import StorageSaga


async def build_storage(runtime: Runtime, prices: Prices) -> StorageSaga:
    return StorageSaga(
        PostgresStorage(await runtime.database("worker")),
        await runtime.event_store("worker"),
        prices,
        runtime.clock,
        f"worker:{runtime.name}",
        poll_s=runtime.settings.worker_storage_poll_s,
    )
