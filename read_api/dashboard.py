"""/dashboard and /docs: the built files of two web pages. They speak to the public API like any
other client; nothing here knows who looks at them.

The dashboard is one document for all of its addresses; what they load has a hash in its name and
never changes.
"""

import re
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from infra.authentication import OverLimit
from read_api.dependencies import ReadDependencies
from read_api.edge import origin_of, problem, problem_of

# Made by `make dashboard`, also in a wheel that was built after it; never committed.
BUILD = Path(__file__).with_name("dashboard_build")
ASSET_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
ASSET_KEPT = "public, max-age=31536000, immutable"
RELOAD_S = 5
NOT_BUILT = (
    "The dashboard is not built yet: `make up` builds it in the background, `make dashboard` builds"
    " it now, and the API works without it.\n"
)
# Scripts and styles are files of ours. React and the charts set single properties of elements,
# which no policy about styles is about. 'self' of connect-src is the WebSocket too.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The documentation's style has pictures in it.
DOCS_POLICY = POLICY.replace("img-src 'self'", "img-src 'self' data:")
PAGE_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-cache",
}

# Of the names that the build gives; what the machine believes about suffixes does not matter.
MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}


class Dashboard:
    """build: the directory of the built files; it may come later, or not at all."""

    def __init__(self, dependencies: ReadDependencies, build: Path = BUILD) -> None:
        self._dependencies = dependencies
        self._build = build

    async def page(self, request: Request) -> Response:
        return await self._document(request, "index.html", POLICY)

    async def docs(self, request: Request) -> Response:
        """What the API says of itself (/openapi.json), to be read and tried."""
        return await self._document(request, "docs.html", DOCS_POLICY)

    async def _document(self, request: Request, name: str, policy: str) -> Response:
        """Whoever asks for it counts as a stranger: it is asked for without a credential."""
        request_id = self._dependencies.request_id_of(request.scope)
        try:
            address = origin_of(self._dependencies, request).source.address
            await self._dependencies.count_stranger(request.scope, address)
        except OverLimit as error:
            return problem_of(error, request_id)
        page = self._build / name
        if page.is_file():
            headers = {**PAGE_HEADERS, "Content-Security-Policy": policy}
            return FileResponse(page, media_type="text/html", headers=headers)
        headers = {"Refresh": str(RELOAD_S), "Retry-After": str(RELOAD_S)}
        return PlainTextResponse(NOT_BUILT, HTTPStatus.SERVICE_UNAVAILABLE, headers)

    async def asset(self, request: Request) -> Response:
        """A name is looked up as it is: it holds no separator, so it leads nowhere else."""
        name = request.path_params["name"]
        path = self._build / "assets" / name
        if ASSET_NAME.fullmatch(name) is None or not path.is_file():
            request_id = self._dependencies.request_id_of(request.scope)
            return problem(HTTPStatus.NOT_FOUND, "not_found", "No such file.", request_id)
        headers = {"Cache-Control": ASSET_KEPT, "Vary": "Accept-Encoding"}
        small = path.with_name(f"{name}.gz")
        media_type = MEDIA_TYPES.get(path.suffix, "application/octet-stream")
        if "gzip" in request.headers.get("accept-encoding", "") and small.is_file():
            return FileResponse(
                small, media_type=media_type, headers={**headers, "Content-Encoding": "gzip"}
            )
        return FileResponse(path, media_type=media_type, headers=headers)
