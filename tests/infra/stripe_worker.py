"""A worker that looks at what is due once; for tests that kill it meanwhile."""

import asyncio

from cli.deadlines import build_deadlines, deadline_ports
from infra.runtime import build_runtime
from infra.settings import Settings


async def main() -> None:
    async with build_runtime(Settings()) as runtime:
        saga = await build_deadlines(runtime, await deadline_ports(runtime))
        assert await saga.work_once()


if __name__ == "__main__":
    asyncio.run(main())
