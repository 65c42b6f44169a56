"""Mail as a real SMTP server takes it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from commands.mail_port import Mail, MailRefused, MailUnavailable
from infra.mail import SmtpMailServer, SmtpSettings, Tls

MAIL = Mail("ada@example.com", "Grüße", "Ein Gruß\n.\nund Schluss\n")
MESSAGE_ID = UUID(int=7)
USER, PASSWORD = "ledger", "the password of the server"


class _Box:
    """Keeps what comes; answers to a recipient with what it is told to."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.answers: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802 # the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: object
    ) -> str:
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802 # the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self.envelopes.append(envelope)
        return "250 OK"

    def message(self) -> Message:
        (envelope,) = self.envelopes
        assert isinstance(envelope.original_content, bytes)
        return message_from_bytes(envelope.original_content)


def _knows(_server: object, _session: object, _envelope: object, _how: str, given: Any) -> Any:
    assert isinstance(given, LoginPassword)
    is_right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, handled=False)


@asynccontextmanager
async def _serving(**options: Any) -> AsyncIterator[tuple[_Box, int]]:
    """A server, and its port."""
    box = _Box()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(box, hostname="localhost", loop=loop, **options), "127.0.0.1", 0
    )
    try:
        yield box, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture
async def box() -> AsyncIterator[tuple[_Box, int]]:
    """Without TLS."""
    async with _serving() as served:
        yield served


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Signed by itself, for the address of the server, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    now, day = datetime.now(UTC), timedelta(days=1)
    address = x509.IPAddress(ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "mail.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def _client(port: int, *, tls: Tls = "none", **changes: Any) -> SmtpMailServer:
    sender = "AgentLedger <ledger@example.org>"
    return SmtpMailServer(SmtpSettings("127.0.0.1", port, tls, sender, **changes))


async def test_a_mail_arrives_as_it_was_written(box: tuple[_Box, int]) -> None:
    kept, port = box
    await _client(port).send(MAIL, MESSAGE_ID)
    message = kept.message()
    (envelope,) = kept.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("ledger@example.org", ["ada@example.com"])
    assert message["From"] == "AgentLedger <ledger@example.org>"
    assert message["To"] == "ada@example.com"
    assert str(make_header(decode_header(message["Subject"]))) == "Grüße"
    assert message["Message-ID"] == f"<{MESSAGE_ID}@example.org>"
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().splitlines() == MAIL.text.splitlines()


@pytest.mark.parametrize("subject", [
    "Hello\r\nBcc: eve@example.com",
    "Hello\nBcc: eve@example.com",
    "Hello\rBcc: eve@example.com",
])  # fmt: skip
async def test_header_injection_by_the_subject(box: tuple[_Box, int], subject: str) -> None:
    kept, port = box
    with pytest.raises(MailRefused):
        await _client(port).send(Mail("ada@example.com", subject, ""), MESSAGE_ID)
    assert kept.envelopes == []


@pytest.mark.parametrize("address", [
    "ada@example.com\r\nBcc: eve@example.com",
    "ada@example.com,eve@example.com",
    "eve@example.com,ada@example.com@example.org",
    "<eve@example.com>ada@example.com",
    "Eve <eve@example.com>",
    "ada@example.com>\r\nRCPT TO:<eve@example.com",
    "ada@example.com eve@example.com",
    "ada@example.com\u2028eve@example.com",
    "ada",
    "",
    "a" * 250 + "@example.com",
])  # fmt: skip
async def test_header_injection_and_second_recipients_by_the_address(
    box: tuple[_Box, int], address: str
) -> None:
    kept, port = box
    with pytest.raises(MailRefused):
        await _client(port).send(Mail(address, "Hello", ""), MESSAGE_ID)
    assert kept.envelopes == []


@pytest.mark.parametrize(("answer", "error"), [
    ("550 no such box ada@example.com", MailRefused),
    ("451 ada@example.com is asked too often", MailUnavailable),
])  # fmt: skip
async def test_what_the_server_answers_decides_and_its_words_are_not_repeated(
    box: tuple[_Box, int], answer: str, error: type[Exception]
) -> None:
    kept, port = box
    kept.answers["ada@example.com"] = answer
    with pytest.raises(error) as raised:
        await _client(port).send(MAIL, MESSAGE_ID)
    assert "ada" not in str(raised.value)


async def test_a_server_that_is_not_there_is_tried_later() -> None:
    listening = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()
    with pytest.raises(MailUnavailable):
        await _client(port).send(MAIL, MESSAGE_ID)


async def test_nothing_is_said_in_the_clear_to_a_server_without_tls(
    box: tuple[_Box, int],
) -> None:
    kept, port = box
    with pytest.raises((MailRefused, MailUnavailable)):
        await _client(port, tls="starttls", user=USER, password=SecretStr(PASSWORD)).send(
            MAIL, MESSAGE_ID
        )
    assert kept.envelopes == []


async def test_a_server_that_asks_for_tls_and_a_password_gets_both(certificate: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    trust = ssl.create_default_context(cafile=certificate)
    secured = {"tls_context": tls, "require_starttls": True}
    async with _serving(**secured, authenticator=_knows, auth_required=True) as (kept, port):
        right = {"user": USER, "password": SecretStr(PASSWORD)}
        await _client(port, tls="starttls", context=trust, **right).send(MAIL, MESSAGE_ID)
        assert len(kept.envelopes) == 1
        wrong = {"user": USER, "password": SecretStr("guessed")}
        # Not the mail's fault, so it waits until the setting is right.
        with pytest.raises(MailUnavailable):
            await _client(port, tls="starttls", context=trust, **wrong).send(MAIL, MESSAGE_ID)
        # A certificate of nobody we know.
        with pytest.raises(MailUnavailable):
            await _client(port, tls="starttls", **right).send(MAIL, MESSAGE_ID)
        assert len(kept.envelopes) == 1
