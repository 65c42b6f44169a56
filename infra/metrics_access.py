"""Who may read /metrics on the port of the API: addresses that the settings name, and the operator.

An address is believed as far as it is known. A proxy on this machine that is not named in
TRUSTED_PROXIES would make everybody local, so a request that somebody passed on, and whose address
is still the peer's, is nobody's.
"""

from collections.abc import Callable, Sequence

from starlette.types import Scope

from domain.networks import Network
from infra.client_addresses import parsed_address

# What proxies add. One that adds none of these, and is not trusted, cannot be told from a client.
PASSED_ON = frozenset({b"x-forwarded-for", b"forwarded", b"via", b"x-real-ip", b"x-forwarded-host"})


class MetricsAccess:
    """allowed: networks. client_address: of a request (infra/client_addresses.py)."""

    def __init__(self, allowed: Sequence[Network], client_address: Callable[[Scope], str]) -> None:
        self._allowed = tuple(allowed)
        self._client_address = client_address

    def is_open_to(self, scope: Scope) -> bool:
        told = self._client_address(scope)
        client = scope.get("client")
        peer = client[0] if client else ""
        is_passed_on = any(name in PASSED_ON for name, _ in scope["headers"])
        address = parsed_address(told)
        if address is None or (is_passed_on and address == parsed_address(peer)):
            return False
        return any(address in network for network in self._allowed)
