"""A resolver that resolves nothing, for clients that are given checked addresses only."""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult


class NoNames(AbstractResolver):
    """A name that reached it would be one that nobody checked."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise AssertionError((host, port, family))

    async def close(self) -> None:
        pass
