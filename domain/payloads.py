"""How large and how deep a value that enters a run may be.

Up to INLINE_BYTES_MAX it lies in its event; a larger one lies beside the log, and the event refers
to it (infra/payload_offloading.py). The domain sees whole values only.
"""

import orjson

from domain.identifiers import Json

INLINE_BYTES_MAX = 64 * 1024
PAYLOAD_BYTES_MAX = 1024 * 1024
MESSAGE_CHARACTERS_MAX = 2000

# A tenant has stored as many bytes of large payloads as it may.
BLOB_QUOTA = "blob_quota"


class PayloadRefused(Exception):
    """This value cannot enter a run. code: payload_too_large | invalid_payload."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def require_payload(value: Json, name: str) -> None:
    """Raises PayloadRefused when `value` is over 1 MiB of JSON, or is none (too deep, a lone
    surrogate). name: for people.
    """
    try:
        size = len(orjson.dumps(value))
    except orjson.JSONEncodeError as error:
        raise PayloadRefused("invalid_payload", f"the {name} is not JSON: {error}") from None
    if size > PAYLOAD_BYTES_MAX:
        message = f"the {name} is {size} bytes long, more than {PAYLOAD_BYTES_MAX}"
        raise PayloadRefused("payload_too_large", message)


def payload_bytes(value: Json) -> int:
    """How long it is as JSON."""
    return len(orjson.dumps(value))


def is_inline(value: Json) -> bool:
    """Whether it is small enough to lie in its event."""
    return payload_bytes(value) <= INLINE_BYTES_MAX


def capped(message: str) -> str:
    """A message as it is stored."""
    if len(message) <= MESSAGE_CHARACTERS_MAX:
        return message
    return message[: MESSAGE_CHARACTERS_MAX - 1] + "…"
