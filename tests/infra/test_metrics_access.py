"""Numbers of a whole installation are for those who run it."""

import pytest

from infra.client_addresses import ClientAddresses, parsed_networks
from infra.metrics_access import MetricsAccess

PROXY, SCRAPER = "10.0.0.9", "10.0.0.7"


def is_open(peer: str, *headers: tuple[bytes, bytes], trusted: str = "") -> bool:
    addresses = ClientAddresses(parsed_networks(trusted))
    access = MetricsAccess(parsed_networks("127.0.0.0/8,::1/128,10.0.0.7"), addresses.of)
    return access.is_open_to({"type": "http", "client": (peer, 1), "headers": [*headers]})


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1", SCRAPER])
def test_named_addresses_may_read(peer: str) -> None:
    assert is_open(peer)


@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.8", "", "unix"])
def test_nobody_else_may(peer: str) -> None:
    assert not is_open(peer)


@pytest.mark.parametrize(
    "header", [b"x-forwarded-for", b"forwarded", b"via", b"x-real-ip", b"x-forwarded-host"]
)
def test_a_proxy_on_this_machine_that_nobody_named_does_not_make_everybody_local(
    header: bytes,
) -> None:
    assert not is_open("127.0.0.1", (header, b"127.0.0.1"))


def test_behind_a_proxy_of_ours_the_address_that_it_saw_counts() -> None:
    def through(address: bytes) -> bool:
        return is_open(PROXY, (b"x-forwarded-for", address), trusted=PROXY)

    assert through(SCRAPER.encode())
    assert not through(b"203.0.113.9")
    assert not through(b"127.0.0.1, 203.0.113.9")
