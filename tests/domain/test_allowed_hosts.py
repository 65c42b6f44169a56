"""A secret goes where its owner said, and to nothing that only looks like it."""

import pytest

from domain.allowed_hosts import canonical_entry, is_host_allowed


@pytest.mark.parametrize(
    ("entry", "canonical"),
    [
        ("api.example.com", "https://api.example.com:443"),
        ("API.Example.com", "https://api.example.com:443"),
        ("https://api.example.com:8443", "https://api.example.com:8443"),
        ("http://localhost:9000", "http://localhost:9000"),
        ("http://localhost", "http://localhost:80"),
        ("*.example.com", "https://*.example.com:443"),
        ("[::1]:8443", "https://[::1]:8443"),
        ("*", "*"),
    ],
)
def test_an_entry_has_one_spelling(entry: str, canonical: str) -> None:
    assert canonical_entry(entry) == canonical


@pytest.mark.parametrize(
    "entry",
    [
        *("", "a b", "example.com/path", "ftp://example.com", "user@example.com", "a..b"),
        *("*.", "a.*.com", "**", "example.com:0", "example.com:99999", "exämple.com", "a\nb"),
        *("example.com?x", "example.com#x", "https://", "-a.com\n", "example.com."),
    ],
)
def test_what_is_no_host_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"host|port"):
        canonical_entry(entry)


@pytest.mark.parametrize(
    ("entry", "target", "is_allowed"),
    [
        ("api.example.com", ("https", "api.example.com", 443), True),
        ("api.example.com", ("https", "API.example.com.", 443), True),
        ("api.example.com", ("http", "api.example.com", 80), False),
        ("api.example.com", ("http", "api.example.com", 443), False),
        ("api.example.com", ("https", "api.example.com", 8443), False),
        ("api.example.com", ("https", "api.example.com.evil.test", 443), False),
        ("api.example.com", ("https", "evil.test", 443), False),
        ("example.com", ("https", "api.example.com", 443), False),
        ("*.example.com", ("https", "api.example.com", 443), True),
        ("*.example.com", ("https", "a.b.example.com", 443), True),
        ("*.example.com", ("https", "example.com", 443), False),
        ("*.example.com", ("https", ".example.com", 443), False),
        ("*.example.com", ("https", "evilexample.com", 443), False),
        ("http://localhost:9000", ("http", "localhost", 9000), True),
        ("http://localhost:9000", ("http", "localhost", 9001), False),
        ("[::1]:8443", ("https", "::1", 8443), True),
        ("*", ("https", "anything.test", 8443), True),
        ("*", ("http", "anything.test", 80), False),
    ],
)
def test_a_host_is_allowed_as_a_whole(
    entry: str, target: tuple[str, str, int], is_allowed: bool
) -> None:
    scheme, host, port = target
    assert is_host_allowed([canonical_entry(entry)], scheme, host, port) == is_allowed


def test_without_an_entry_no_host_is_allowed() -> None:
    assert not is_host_allowed([], "https", "api.example.com", 443)
