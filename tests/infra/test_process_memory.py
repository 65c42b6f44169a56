"""What a process that holds keys leaves behind."""

import resource

from infra.runtime import build_runtime
from infra.settings import Settings


async def test_a_process_of_the_platform_leaves_no_core_dump() -> None:
    async with build_runtime(Settings()):
        assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
