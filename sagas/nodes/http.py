"""A request to a server on the web. request: as domain/nodes/http.py renders it, recorded before
the call.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus

import orjson

from commands.http_port import HttpFailed, HttpRequest, HttpResponse
from domain.attempts import Attempt, Usage
from domain.identifiers import Json, JsonObject
from infra.retry_after import retry_after_s
from sagas.blots import Blots
from sagas.effects import AttemptFailed, Effects, Outcome, Run
from sagas.filled_requests import Filled, fill_in

MESSAGE_BODY_CHARACTERS_MAX = 500
# The server says that it could not now, not that it will not.
RETRYABLE_STATUSES = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([A-Za-z0-9_.:-]{1,40})"?', re.IGNORECASE)
# Python has codecs that are no charsets; some of them take time that grows with the square.
_CHARSETS = re.compile(
    r"utf-?(8|16|16le|16be|16-le|16-be)|us-ascii|ascii|(iso-?8859|windows|cp)-?\d{1,5}(-\d\d?)?"
    r"|latin-?1|koi8-[ru]|shift_jis|euc-(jp|kr)|gb2312|gbk|gb18030|big5",
    re.IGNORECASE,
)


async def run_http(attempt: Attempt, run: Run, on: Effects) -> Outcome:
    beat = None if attempt.heartbeat_s is None else run.beat
    filled = await fill_in(attempt, run, on)
    try:
        response = await on.http.send(_request(attempt, filled), beat)
    except HttpFailed as failed:
        raise AttemptFailed(
            failed.code,
            failed.message,
            is_retryable=failed.retryable,
            retry_after_s=failed.retry_after_s,
        ) from failed
    if not _is_expected(response.status, attempt.request["expect_status"]):
        raise _unexpected(response, filled.blots)
    return Outcome(filled.blots.json(_output(response)), Usage())


def _request(attempt: Attempt, filled: Filled) -> HttpRequest:
    asked = filled.request
    given = _object(asked.get("headers"))
    media_type, body = _body(asked)
    headers = {name: str(value) for name, value in given.items()}
    if media_type is not None and "content-type" not in map(str.lower, headers):
        headers["Content-Type"] = media_type
    response_bytes_max = asked["response_bytes_max"]
    assert isinstance(response_bytes_max, int)
    return HttpRequest(
        method=str(asked["method"]),
        url=str(asked["url"]),
        headers=headers,
        query=_query(_object(asked.get("query"))),
        body=body,
        timeout_s=attempt.timeout_s,
        idempotency_key=attempt.idempotency_key,
        response_bytes_max=response_bytes_max,
        allowed_hosts=filled.allowed_hosts,
    )


def _body(asked: JsonObject) -> tuple[str | None, bytes | None]:
    """(media type, bytes)."""
    if "json" in asked:
        return "application/json", orjson.dumps(asked["json"])
    if "body" in asked:
        return "text/plain; charset=utf-8", str(asked["body"]).encode()
    return None, None


def _query(asked: JsonObject) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, str(each))
        for name, value in asked.items()
        for each in (value if isinstance(value, list) else [value])
    )


def _is_expected(status: int, expected: Json) -> bool:
    assert isinstance(expected, list)
    return any(each in (status, f"{status // 100}xx") for each in expected)


def _unexpected(response: HttpResponse, blots: Blots) -> AttemptFailed:
    # Blotted before it is cut, or the beginning of a secret might be left.
    text = blots.text(_text(response))[: MESSAGE_BODY_CHARACTERS_MAX * 2]
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    said = f": {shown[:MESSAGE_BODY_CHARACTERS_MAX]}" if shown else ""
    is_retryable = response.status in RETRYABLE_STATUSES
    return AttemptFailed(
        "http_status",
        f"the server answered {response.status}{said}",
        is_retryable=is_retryable,
        retry_after_s=retry_after_s(response.headers) if is_retryable else None,
    )


def _output(response: HttpResponse) -> JsonObject:
    output: JsonObject = {"status": response.status, "headers": {**response.headers}}
    # The read models are in PostgreSQL, which cannot store the character U+0000.
    if _is_json(response.headers) and b"\\u0000" not in response.body:
        try:
            return {**output, "json": orjson.loads(response.body)}
        except orjson.JSONDecodeError:
            pass
    return {**output, "text": _text(response)}


def _is_json(headers: Mapping[str, str]) -> bool:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def _text(response: HttpResponse) -> str:
    """By its charset; what cannot be decoded is replaced."""
    named = _CHARSET.search(response.headers.get("content-type", ""))
    charset = named[1] if named and _CHARSETS.fullmatch(named[1]) else "utf-8"
    try:
        text = response.body.decode(charset, errors="replace")
    except LookupError:
        text = response.body.decode(errors="replace")
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}
