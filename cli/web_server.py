"""The web servers: of the role `api`, and of probes (cli/role_listener.py)."""

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.applications import Starlette

from cli.guarded_protocol import GuardedProtocol
from cli.installation import PortUnavailable
from infra.settings import Settings

BACKLOG = 2048


class _Server(uvicorn.Server):
    """Signals belong to the whole process, not to its web server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def listen(settings: Settings) -> socket.socket:
    """The API's socket."""
    return bound(settings.host, settings.port)


def bound(host: str, port: int) -> socket.socket:
    """Bound before anything starts, so that a port in use is one sentence: PortUnavailable."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise PortUnavailable(
            f"The address {host}:{port} cannot be used: {error.strerror}."
        ) from error
    return listening


def web_config(app: Starlette) -> uvicorn.Config:
    """proxy_headers: off, because it believes X-Forwarded-For of everything on this machine; who is
    believed is said in infra/client_addresses.py.
    """
    return uvicorn.Config(
        app,
        loop="none",
        http=GuardedProtocol,
        ws="websockets-sansio",
        ws_max_size=64 * 1024,
        ws_per_message_deflate=False,
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        lifespan="off",
        proxy_headers=False,
    )


async def run_http(app: Starlette, listening: socket.socket) -> None:
    """Serve until cancelled."""
    server = _Server(web_config(app))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await serving
