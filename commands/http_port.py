"""The port to the web: one request and its answer, or a failure that says whether to try again.

Implemented by infra/http_client.py, the only way out for whatever a tenant may name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """query: added to the one that `url` has. timeout_s: the whole exchange, redirects included.

    idempotency_key: sent as `Idempotency-Key` unless the method is GET or HEAD, or `headers` has
    one. response_bytes_max: of the body, also after it is decompressed. allowed_hosts: of each
    secret in it (domain/allowed_hosts.py); it goes to no host, by redirect neither, that one of
    them does not allow. follows_redirects: False answers with the redirect itself.
    """

    method: str
    url: str = field(repr=False)  # Like headers and body, it may carry a secret.
    headers: Mapping[str, str] = field(repr=False)
    query: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(repr=False)
    timeout_s: float
    idempotency_key: str
    response_bytes_max: int
    follows_redirects: bool = True
    allowed_hosts: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The last answer, whatever its status. headers: names in lower case, repeated ones joined by
    `, `. url: where it came from.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class HttpFailed(Exception):
    """An exchange that brought no answer. message is safe to store: no header, body or path.

    code: forbidden_address | secret_not_allowed | invalid_url | invalid_header | dns_failed |
    unavailable | timeout | tls_failed | too_many_redirects | response_too_large | invalid_response.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class Http(Protocol):
    async def send(
        self, request: HttpRequest, on_progress: Callable[[], None] | None = None
    ) -> HttpResponse:
        """on_progress: called whenever something of an answer arrives. Raises HttpFailed."""
        ...
