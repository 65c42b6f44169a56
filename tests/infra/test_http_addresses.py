"""Only the public internet may be reached, however an address is written."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.http_port import HttpFailed
from infra.http_addresses import (
    SystemLookup,
    allowed_origins,
    checked_addresses,
    is_public,
)
from infra.settings import Settings
from tests.web_server import ToldLookup

REFUSED = {
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],  # noqa: S104 # nothing binds to it
    "private": ["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "link-local": ["169.254.1.1", "fe80::1", "fe80::1%eth0", "febf::1"],
    "metadata": [
        *("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fd20:ce::254"),
        *("100.100.100.200", "168.63.129.16", "192.0.0.192"),
    ],
    "carrier-grade NAT": ["100.64.0.1", "100.127.255.255"],
    "IETF assignments": ["192.0.0.1", "192.0.0.170", "2001::1", "2001:1::1", "2001:1ff::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "benchmarks": ["198.18.0.1", "198.19.255.255", "2001:2::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.254", "4000::1", "5f00::1", "3ffe::1"],
    "broadcast": ["255.255.255.255"],
    "IPv4 mapped": ["::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:8.8.8.8"],
    "IPv4 compatible": ["::127.0.0.1", "::8.8.8.8"],
    "IPv4 translated": ["::ffff:0:127.0.0.1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1"],
    "6to4": ["2002:7f00:1::", "2002:0808:0808::1", "192.88.99.1"],
    "Teredo": ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "unique-local": ["fc00::1", "fdff::1"],
    "site-local": ["fec0::1"],
    "discard": ["100::1"],
    "public with a zone": ["2606:4700::1%eth0"],
}
PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"),
    *("126.255.255.255", "128.0.0.1", "172.15.255.255", "172.32.0.0", "192.0.1.1", "192.167.1.1"),
    *("168.63.129.15", "169.253.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
    *("2001:200::1", "2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450::1"),
]
LOOPBACK_FORMS = [
    *("127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001"),
    *("0", "0x0", "127.0.0.1", "localhost"),
]


@pytest.mark.parametrize("text", [text for texts in REFUSED.values() for text in texts])
def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_let_through(text: str) -> None:
    assert is_public(ip_address(text))


@given(st.ip_addresses())
def test_what_is_public_here_is_so_for_the_standard_library_too(address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast


@pytest.mark.parametrize("host", LOOPBACK_FORMS)
async def test_a_host_counts_as_what_it_resolves_to(host: str) -> None:
    lookup = SystemLookup()
    try:
        with pytest.raises(HttpFailed) as failure:
            await checked_addresses(host, 80, frozenset(), lookup)
    finally:
        lookup.close()
    assert (failure.value.code, failure.value.retryable) == ("forbidden_address", False)


async def test_one_address_that_is_not_public_refuses_the_whole_host() -> None:
    lookup = ToldLookup({"mixed.example": [["1.1.1.1", "10.0.0.1"]]})
    with pytest.raises(HttpFailed) as failure:
        await checked_addresses("mixed.example", 80, frozenset(), lookup)
    assert failure.value.code == "forbidden_address"
    assert "10.0.0.1" not in failure.value.message


async def test_public_addresses_are_kept_in_the_order_of_the_resolver() -> None:
    lookup = ToldLookup({"good.example": [["2606:4700::1", "1.1.1.1"]]})
    addresses = await checked_addresses("good.example", 80, frozenset(), lookup)
    assert list(map(str, addresses)) == ["2606:4700::1", "1.1.1.1"]


async def test_a_host_without_addresses_may_have_some_later() -> None:
    with pytest.raises(HttpFailed) as failure:
        await checked_addresses("none.example", 80, frozenset(), ToldLookup({}))
    assert (failure.value.code, failure.value.retryable) == ("dns_failed", True)


@pytest.mark.parametrize(
    ("allowed", "host", "port", "is_let_through"),
    [
        ("inner.example:9000", "inner.example", 9000, True),
        ("Inner.Example.:9000", "inner.example", 9000, True),
        ("inner.example:9000", "inner.example.", 9000, True),
        ("inner.example:9000", "inner.example", 9001, False),
        ("10.0.0.1:9000", "inner.example", 9000, False),
        ("10.0.0.1:9000", "10.0.0.1", 9000, True),
        ("[fd00::1]:9000", "fd00::1", 9000, True),
        ("[FD00:0::1]:9000", "fd00::1", 9000, True),
        ("", "10.0.0.1", 9000, False),
    ],
)
async def test_what_is_let_through_is_named_with_its_port(
    allowed: str, host: str, port: int, is_let_through: bool
) -> None:
    origins = allowed_origins(allowed)
    private = [["10.0.0.1"]]
    lookup = ToldLookup({"inner.example": private, "inner.example.": private})
    if is_let_through:
        assert await checked_addresses(host, port, origins, lookup)
    else:
        with pytest.raises(HttpFailed):
            await checked_addresses(host, port, origins, lookup)


def test_nothing_is_let_through_by_default() -> None:
    assert Settings.model_fields["http_allow"].default == frozenset()


def test_the_environment_names_what_is_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTLEDGER_HTTP_ALLOW", "localhost:9000, [::1]:8080")
    assert Settings().http_allow == {("localhost", 9000), ("::1", 8080)}


@pytest.mark.parametrize(
    "text",
    [
        *("localhost", "localhost:", ":80", "localhost:0", "localhost:65536", "::1:80", "*"),
        *("http://localhost:80", "localhost:80/x", "u@localhost:80", "a b:80", "[::1:80"),
    ],
)
def test_what_is_no_host_and_port_is_one_clear_sentence(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cli.session import settings_or_complain

    monkeypatch.setenv("AGENTLEDGER_HTTP_ALLOW", text)
    with pytest.raises(SystemExit):
        settings_or_complain()
    sentence = f"the setting AGENTLEDGER_HTTP_ALLOW is not valid: `{text}` is not host:port."
    assert capsys.readouterr().err == f"agentledger: {sentence}\n"
