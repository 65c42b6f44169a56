"""The guarded client connects to an address, but trusts a certificate for the name only."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.infra.http_steps import LOOPBACK, a_client, a_request, failure_of
from tests.web_server import answer, web_server

LOOKUP = {"a.example": [[LOOPBACK]], "b.example": [[LOOPBACK]]}


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Signed by itself, for a.example, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example")])
    now = datetime.now(UTC)
    day = timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "a.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


class Served:
    """names: those that clients asked for in the handshake."""

    def __init__(self, certificate: Path) -> None:
        self.names: list[str | None] = []
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)
        self.tls.sni_callback = self._note

    def _note(self, tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        del tls, context
        self.names.append(name)


async def test_the_certificate_must_be_for_the_name(certificate: Path) -> None:
    served = Served(certificate)
    trust = ssl.create_default_context(cafile=certificate)
    async with web_server(tls=served.tls) as server:
        server.answers["/"] = answer(body=b"hello")
        allowed = [(name, server.port) for name in LOOKUP]
        async with a_client(*allowed, lookup=LOOKUP, tls=trust) as (client, _):
            good = a_request(f"https://a.example:{server.port}/")
            assert (await client.send(good)).body == b"hello"
            # The same address, where a trusted connection is open already.
            other = a_request(f"https://b.example:{server.port}/")
            assert await failure_of(client, other) == ("tls_failed", False)
    assert served.names == ["a.example", "b.example"]
    assert len(server.requests) == 1


async def test_a_name_with_a_final_dot_is_the_same_name_in_a_certificate(certificate: Path) -> None:
    served = Served(certificate)
    trust = ssl.create_default_context(cafile=certificate)
    lookup = {"a.example.": [[LOOPBACK]]}
    async with web_server(tls=served.tls) as server:
        server.answers["/"] = answer()
        async with a_client(("a.example", server.port), lookup=lookup, tls=trust) as (client, _):
            dotted = a_request(f"https://a.example.:{server.port}/")
            assert (await client.send(dotted)).status == 200


async def test_the_certificate_must_be_for_the_address_when_that_is_what_is_named(
    certificate: Path,
) -> None:
    served = Served(certificate)
    trust = ssl.create_default_context(cafile=certificate)
    async with (
        web_server(tls=served.tls) as server,
        a_client((LOOPBACK, server.port), tls=trust) as (client, _),
    ):
        numeric = a_request(f"https://{LOOPBACK}:{server.port}/")
        assert await failure_of(client, numeric) == ("tls_failed", False)
    assert server.requests == []


async def test_a_certificate_of_an_unknown_authority_is_not_trusted(certificate: Path) -> None:
    served = Served(certificate)
    async with (
        web_server(tls=served.tls) as server,
        a_client(("a.example", server.port), lookup=LOOKUP) as (client, _),
    ):
        unknown = a_request(f"https://a.example:{server.port}/?k=s3cret")
        assert await failure_of(client, unknown) == ("tls_failed", False)
    assert server.requests == []
