"""How often an address may call without a valid credential. A valid credential is never held to its
address.

The generic cell rate algorithm: per address one number, the time at which all its past calls are
paid for.
"""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address

from domain.errors import OverLimit

ADDRESSES_MAX = 50_000
IPV6_NETWORK_BITS = 64
WINDOW_S = 60.0


class TooManyAttempts(OverLimit):
    """Too many requests without a valid credential came from this address."""

    code = "too_many_attempts"


class AddressLimits:
    """per_min calls at once, refilled evenly. Remembers ADDRESSES_MAX addresses; the one longest
    unseen goes first.
    """

    def __init__(self, per_min: int, monotonic_s: Callable[[], float]) -> None:
        self._cost_s = WINDOW_S / per_min
        self._monotonic_s = monotonic_s
        self._paid_until_s: OrderedDict[str, float] = OrderedDict()

    def take(self, address: str) -> None:
        """Count one call. Raises TooManyAttempts with the time until the next one is allowed."""
        network = _network(address)
        now_s = self._monotonic_s()
        paid_until_s = max(self._paid_until_s.get(network, now_s), now_s) + self._cost_s
        excess_s = paid_until_s - now_s - WINDOW_S
        if excess_s > self._cost_s / 1000:
            raise TooManyAttempts(retry_after_s=excess_s)
        self._paid_until_s[network] = paid_until_s
        self._paid_until_s.move_to_end(network)
        if len(self._paid_until_s) > ADDRESSES_MAX:
            self._paid_until_s.popitem(last=False)


def _network(address: str) -> str:
    """An IPv6 caller owns a whole network of addresses, so it counts as one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004 # the version is its own name
        return address
    return str(int(parsed) >> (128 - IPV6_NETWORK_BITS))
