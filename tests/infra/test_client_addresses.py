"""The client's address is the peer's, unless a proxy of ours says whom it speaks for."""

from typing import Any

import pytest

from infra.client_addresses import (
    ClientAddresses,
    parsed_networks,
    told_user_agent,
)

PROXIES = ClientAddresses(parsed_networks("10.0.0.0/8, 2001:db8:ffff::/48"))
PROXY = "10.0.0.1"
CLIENT = "198.51.100.7"


def _scope(peer: str | None, *forwarded_for: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", line.encode("latin-1")) for line in forwarded_for]
    return {"client": None if peer is None else (peer, 1234), "headers": headers}


def test_x_forwarded_for_of_a_stranger_is_not_believed() -> None:
    assert PROXIES.of(_scope(CLIENT, "127.0.0.1")) == CLIENT
    assert ClientAddresses(()).of(_scope("127.0.0.1", "192.0.2.9")) == "127.0.0.1"


def test_what_the_client_wrote_in_front_of_the_proxys_word_does_not_count() -> None:
    assert PROXIES.of(_scope(PROXY, f"127.0.0.1, 10.9.9.9, {CLIENT}")) == CLIENT
    assert PROXIES.of(_scope(PROXY, f"127.0.0.1, {CLIENT}, 10.0.0.2")) == CLIENT


def test_a_header_sent_in_several_lines_is_one_list() -> None:
    assert PROXIES.of(_scope(PROXY, "127.0.0.1", CLIENT)) == CLIENT
    assert PROXIES.of(_scope(PROXY, CLIENT, "10.0.0.2", "10.0.0.3")) == CLIENT


@pytest.mark.parametrize("garbage", ["unknown", "", "_hidden", "1.2.3", "é", "01.2.3.4", "::1::"])
def test_what_is_no_address_ends_the_walk_at_who_told_it(garbage: str) -> None:
    assert PROXIES.of(_scope(PROXY, f"{CLIENT}, {garbage}")) == PROXY
    assert PROXIES.of(_scope(PROXY, f"{CLIENT}, {garbage}, 10.0.0.2")) == "10.0.0.2"


def test_a_chain_of_nothing_but_proxies_begins_at_its_first() -> None:
    assert PROXIES.of(_scope(PROXY, "10.0.0.3, 10.0.0.2")) == "10.0.0.3"
    assert PROXIES.of(_scope(PROXY)) == PROXY


def test_a_long_chain_is_not_read_to_its_end() -> None:
    chain = ", ".join([CLIENT, *["10.0.0.2"] * 1000])
    assert PROXIES.of(_scope(PROXY, chain)) == "10.0.0.2"


@pytest.mark.parametrize(
    ("hop", "address"),
    [
        ("198.51.100.7:8080", "198.51.100.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_address_has_one_form(hop: str, address: str) -> None:
    assert PROXIES.of(_scope(PROXY, hop)) == address


def test_a_proxy_reached_over_ipv6_is_known_by_its_ipv4_address_too() -> None:
    assert PROXIES.of(_scope("::ffff:10.0.0.1", CLIENT)) == CLIENT
    assert PROXIES.of(_scope("2001:db8:ffff::5", CLIENT)) == CLIENT


def test_a_socket_without_a_peer_has_no_address() -> None:
    assert PROXIES.of(_scope(None, CLIENT)) == ""
    assert PROXIES.of(_scope("testclient", CLIENT)) == "testclient"


@pytest.mark.parametrize(
    "text", ["10.0.0.0/33", "10.0.0.1/8", "proxy.internal", "0.0.0.0/0", "::/0", "10.0.0.0/8;"]
)
def test_a_network_that_is_none_or_everybody_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no network|is everybody"):
        parsed_networks(text)


def test_a_user_agent_is_cut_and_shows_no_control_characters() -> None:
    assert told_user_agent(None) is None
    assert told_user_agent(b"curl/8\x1b[31m\r\nX: \xe9") == "curl/8?[31m??X: ?"
    assert len(told_user_agent(b"a" * 10_000) or "") == 256
