"""Reading a request: its headers, its body within limits, and JSON that means the same to every
reader of it.

Everything here refuses with an Invalid; the numbers are in problem_details.py.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeAlias, TypeVar
from urllib.parse import parse_qs
from uuid import UUID

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from starlette.types import Receive, Scope

from domain.errors import FieldError, Invalid
from domain.identifiers import Json

JSON_TYPE = b"application/json"
JSON_DEPTH_MAX = 64
WAIT_S_MAX = 30
ERRORS_MAX = 100
PATH_TEXT_CHARACTERS_MAX = 1000

HeaderMap: TypeAlias = Mapping[bytes, bytes]
Body = TypeVar("Body")

_ID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_IDEMPOTENCY_KEY = re.compile(rb"[\x21-\x7e]{1,255}")
_ENTITY_TAG = re.compile(rb'"([0-9]{1,18})"')
_TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class UnparsableBody(Invalid):
    """The body is not JSON."""

    code = "unparsable_json"


class UnsupportedMediaType(Invalid):
    """Send the body as `Content-Type: application/json`."""

    code = "unsupported_media_type"


class BodyTooLarge(Invalid):
    """The body is too large."""

    code = "body_too_large"


class DuplicateMember(ValueError):
    """A JSON object names a member twice; its readers would disagree about the value."""


def header_map(scope: Scope) -> HeaderMap:
    """Of a header that was sent twice, the last."""
    return dict(scope["headers"])


def path_id(scope: Scope, name: str) -> UUID:
    text: str = scope["path_params"][name]
    if _ID.fullmatch(text) is None:
        raise Invalid(errors=[FieldError(f"path:{name}", "invalid_id", "a UUID is expected")])
    return UUID(text)


def path_text(scope: Scope, name: str) -> str:
    """Whatever is longer names nothing, and is not worth repeating."""
    text: str = scope["path_params"][name]
    if not 0 < len(text) <= PATH_TEXT_CHARACTERS_MAX or "\x00" in text:
        reason = f"1 to {PATH_TEXT_CHARACTERS_MAX} characters are expected"
        raise Invalid(errors=[FieldError(f"path:{name}", "invalid_name", reason)])
    return text


def read_wait_s(scope: Scope) -> float:
    """The query parameter `wait_s`, 0 without it."""
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    text = query.get("wait_s", ["0"])[-1]
    wait_s = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not 0 <= wait_s <= WAIT_S_MAX:
        reason = f"a number of seconds from 0 to {WAIT_S_MAX} is expected"
        raise Invalid(errors=[FieldError("query:wait_s", "out_of_range", reason)])
    return wait_s


def idempotency_key(headers: HeaderMap, header: str = "Idempotency-Key") -> str | None:
    raw = headers.get(header.lower().encode())
    if raw is None:
        return None
    if _IDEMPOTENCY_KEY.fullmatch(raw) is None:
        reason = "1 to 255 visible ASCII characters are expected"
        raise Invalid(errors=[FieldError(f"header:{header}", "invalid_header", reason)])
    return raw.decode()


def expected_version(headers: HeaderMap) -> int | None:
    """The version in `If-Match`, one strong entity tag as we send it; None without the header, or
    with `*`.
    """
    raw = headers.get(b"if-match")
    if raw is None or raw.strip() == b"*":
        return None
    tag = _ENTITY_TAG.fullmatch(raw.strip())
    if tag is None:
        reason = 'an entity tag such as "3" is expected, as the ETag of an answer'
        raise Invalid(errors=[FieldError("header:If-Match", "invalid_header", reason)])
    return int(tag[1])


def traceparent(headers: HeaderMap) -> str | None:
    """The W3C trace context; one that is malformed is ignored, as the standard says."""
    raw = headers.get(b"traceparent")
    return raw.decode() if raw is not None and _TRACEPARENT.fullmatch(raw) else None


def is_bodiless(headers: HeaderMap) -> bool:
    return headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers


async def read_json(
    receive: Receive, headers: HeaderMap, *media_types: bytes, bytes_max: int
) -> Json:
    """The body as JSON. media_types: that it may have beside JSON's."""
    _require_json(headers, media_types)
    return parse_json(await read_body(receive, headers, bytes_max=bytes_max))


async def read_body(receive: Receive, headers: HeaderMap, *, bytes_max: int) -> bytes:
    """The length is counted as it arrives; what a header claims can only refuse it sooner."""
    claimed = headers.get(b"content-length", b"0")
    if claimed.isdigit() and int(claimed[:20]) > bytes_max:
        _refuse_size(bytes_max)
    chunks: list[bytes] = []
    size = 0
    has_more = True
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise UnparsableBody("The connection ended before the body did.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > bytes_max:
            _refuse_size(bytes_max)
        chunks.append(chunk)
        has_more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def parse_json(raw: bytes) -> Json:
    """The value, if it survives storage and every other parser unchanged.

    Refused although orjson would read it: a member named twice (the last would win), an integer
    that would lose digits (beyond 64 bits it becomes a float), NUL (PostgreSQL has no text with
    it), nesting deeper than JSON_DEPTH_MAX.
    """
    try:
        value: Json = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        _refuse("", "unparsable_json", str(error))
    if raw.count(b"[") + raw.count(b"{") > JSON_DEPTH_MAX or b"\\u0000" in raw:
        require_storable(value)
    try:
        second: Json = _STRICT.decode(raw.decode())
    except DuplicateMember as error:
        _refuse("", "duplicate_member", f"the member {error} is there twice")
    except ValueError as error:
        _refuse("", "unparsable_json", str(error))
    if second != value:
        reason = "an integer does not fit into 64 bits"
        raise Invalid(errors=[FieldError("", "number_out_of_range", reason)])
    return value


def require_storable(value: Json) -> None:
    """Raises at the first NUL and below JSON_DEPTH_MAX.

    The stack is ours, so depth cannot exhaust the interpreter's.
    """
    to_visit: list[tuple[Json, tuple[int | str, ...]]] = [(value, ())]
    while to_visit:
        member, place = to_visit.pop()
        if len(place) > JSON_DEPTH_MAX:
            reason = f"it nests deeper than {JSON_DEPTH_MAX} levels"
            raise Invalid(errors=[FieldError(pointer(place[:3]), "too_deep", reason)])
        match member:
            case str():
                _require_no_nul(member, place)
            case list():
                to_visit.extend((inner, (*place, index)) for index, inner in enumerate(member))
            case dict():
                for name, inner in member.items():
                    _require_no_nul(name, place)
                    to_visit.append((inner, (*place, name)))
            case _:
                pass


def validated(adapter: TypeAdapter[Body], value: Json) -> Body:
    """`value` as the type of the adapter. Raises Invalid with one FieldError per mistake; values
    are never repeated.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_context=False, include_input=False)
        raise Invalid(errors=[_field_error(mistake) for mistake in mistakes[:ERRORS_MAX]]) from None


def pointer(place: tuple[int | str, ...]) -> str:
    """RFC 6901."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in place)


def _field_error(mistake: ErrorDetails) -> FieldError:
    code = _CODES.get(mistake["type"], mistake["type"])
    return FieldError(pointer(mistake["loc"]), code, mistake["msg"].removeprefix("Value error, "))


_CODES = {"extra_forbidden": "unknown_field", "missing": "missing_field"}


def require_unencoded(headers: HeaderMap) -> None:
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise UnsupportedMediaType("Send the body without Content-Encoding.")


def _require_json(headers: HeaderMap, media_types: Sequence[bytes]) -> None:
    require_unencoded(headers)
    content_type = headers.get(b"content-type", b"")
    if content_type == JSON_TYPE:
        return
    media_type, _, parameters = content_type.lower().partition(b";")
    expected = (JSON_TYPE, *media_types)
    if media_type.strip() not in expected:
        reason = f"{b' or '.join(expected).decode()} is expected"
        raise UnsupportedMediaType(errors=[FieldError("", "unsupported_media_type", reason)])
    if b"charset=" in parameters and b"utf-8" not in parameters:
        raise UnsupportedMediaType("The body must be UTF-8.")


def _refuse(path: str, code: str, reason: str) -> NoReturn:
    raise UnparsableBody(errors=[FieldError(path, code, reason)])


def _refuse_size(bytes_max: int) -> NoReturn:
    reason = f"at most {bytes_max} bytes are read"
    raise BodyTooLarge(errors=[FieldError("", "body_too_large", reason)])


def _unique_members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen = set[str]()
        for name, _ in pairs:
            if name in seen:
                raise DuplicateMember(name)
            seen.add(name)
    return members


_STRICT = json.JSONDecoder(object_pairs_hook=_unique_members)


def _require_no_nul(text: str, place: tuple[int | str, ...]) -> None:
    if "\x00" in text:
        reason = "the character U+0000 cannot be stored"
        raise Invalid(errors=[FieldError(pointer(place), "nul_character", reason)])
