"""How large and how deep a value inside an event may be: whatever enters a run is small enough to
lie in the log.
"""

import orjson

from domain.identifiers import Json

INLINE_BYTES_MAX = 64 * 1024
MESSAGE_CHARACTERS_MAX = 2000


class PayloadRefused(Exception):
    """This value cannot lie in an event. code: payload_too_large | invalid_payload."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def require_inline(value: Json, name: str) -> None:
    """Raises PayloadRefused when `value` is over 64 KiB of JSON, or is none (too deep, a lone
    surrogate). name: for people.
    """
    try:
        size = len(orjson.dumps(value))
    except orjson.JSONEncodeError as error:
        raise PayloadRefused("invalid_payload", f"the {name} is not JSON: {error}") from None
    if size > INLINE_BYTES_MAX:
        message = f"the {name} is {size} bytes long, more than {INLINE_BYTES_MAX}"
        raise PayloadRefused("payload_too_large", message)


def capped(message: str) -> str:
    """A message as it is stored."""
    if len(message) <= MESSAGE_CHARACTERS_MAX:
        return message
    return message[: MESSAGE_CHARACTERS_MAX - 1] + "…"
