"""Mail over SMTP (aiosmtplib): one plain message to one address per connection.

Whatever an address or a subject holds, it cannot become a header or a second recipient: the address
is taken apart and checked, and the standard library's policy refuses line breaks in headers.
"""

import re
import ssl
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import parseaddr
from typing import Literal
from uuid import UUID

import aiosmtplib
from pydantic import SecretStr

from commands.mail_port import Mail, MailRefused, MailUnavailable

TIMEOUT_S = 20.0
ADDRESS_CHARACTERS_MAX = 254
SUBJECT_CHARACTERS_MAX = 200
# Replies of this class ask to be tried later; those above are final.
TEMPORARY = range(400, 500)

_PART = r"[^\s@<>()\[\],;:\\\"\x00-\x20\x7f-\x9f\u2028\u2029]+"
_ADDRESS = re.compile(rf"({_PART})@({_PART})")

Tls = Literal["starttls", "tls", "none"]


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """sender: `Name <address>` or an address. tls: `starttls` and `tls` refuse a server that does
    not offer it. context: for certificates of one's own; None trusts those of the system.
    """

    host: str
    port: int
    tls: Tls
    sender: str
    user: str | None = None
    password: SecretStr | None = None
    context: ssl.SSLContext | None = None


class SmtpMailServer:
    """Implements commands.mail_port.MailServer."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._sender = parseaddr(settings.sender)[1]

    async def send(self, mail: Mail, message_id: UUID) -> None:
        message = self._message(mail, message_id)
        settings = self._settings
        password = settings.password
        try:
            await aiosmtplib.send(
                message,
                sender=self._sender,
                recipients=[mail.to],
                hostname=settings.host,
                port=settings.port,
                use_tls=settings.tls == "tls",
                start_tls=settings.tls == "starttls",
                tls_context=settings.context,
                username=settings.user,
                password=None if password is None else password.get_secret_value(),
                timeout=TIMEOUT_S,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            code = error.recipients[0].code
            raise _refusal(code) from None
        except aiosmtplib.SMTPAuthenticationError as error:
            raise MailUnavailable(f"the server refuses to know us: {error.code}") from None
        except aiosmtplib.SMTPResponseException as error:
            raise _refusal(error.code) from None
        except aiosmtplib.SMTPNotSupported as error:
            raise MailRefused(f"the server lacks what this mail needs: {error}") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailUnavailable(f"the server could not be spoken to: {error}") from None

    def _message(self, mail: Mail, message_id: UUID) -> EmailMessage:
        found = _ADDRESS.fullmatch(mail.to)
        if found is None or len(mail.to) > ADDRESS_CHARACTERS_MAX:
            raise MailRefused("the recipient is no address that mail can be sent to")
        message = EmailMessage(policy=SMTP_POLICY)
        try:
            message["From"] = self._settings.sender
            message["To"] = Address(username=found[1], domain=found[2])
            message["Subject"] = mail.subject[:SUBJECT_CHARACTERS_MAX]
            message["Message-ID"] = f"<{message_id}@{self._sender.rpartition('@')[2]}>"
            # So that out-of-office replies do not come back to it (RFC 3834).
            message["Auto-Submitted"] = "auto-generated"
            message.set_content(mail.text)
        except (ValueError, MessageError, IndexError):
            raise MailRefused("the mail has a line break where a header has none") from None
        return message


def _refusal(code: int) -> MailRefused | MailUnavailable:
    """Without the server's text, which often repeats the address."""
    kind = MailUnavailable if code in TEMPORARY else MailRefused
    return kind(f"the server answered {code}")
