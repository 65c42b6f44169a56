"""The peer of `rest`: a FastAPI route that parses a body into a model and answers JSON.

It runs on the product's own web server, so everything else a durable command does is the
difference. `python -m bench.noop_server` prints its address.
"""

import sys

import uvloop
from fastapi import FastAPI

from cli.web_server import listen, run_http
from infra.settings import Settings
from write_api.agents import AgentBody


def noop_app() -> FastAPI:
    app = FastAPI()

    @app.post("/agents", status_code=201)
    async def create(body: AgentBody) -> dict[str, str]:  # pyright: ignore[reportUnusedFunction] # a route
        return {"name": body.name}

    return app


async def serve() -> None:
    listening = listen(Settings(port=0))
    print(f"noop on http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    await run_http(noop_app(), listening)


if __name__ == "__main__":
    try:
        uvloop.run(serve())
    except KeyboardInterrupt:
        sys.exit(130)
