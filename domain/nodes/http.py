"""http: a request to a server on the web."""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from domain.expressions import ExpressionFailed
from domain.http_headers import header_mistakes
from domain.identifiers import Json, JsonObject
from domain.node_types import EffectfulNode, Scope
from domain.templates import (
    OPENING,
    TEXT_SCHEMA,
    JsonField,
    JsonTemplate,
    ObjectField,
    ObjectTemplate,
    TextField,
    TextOrSecretField,
    TextTemplate,
    as_text,
    pointer_step,
)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 section 9.2.1
RESPONSE_BYTES_DEFAULT = 256 * 1024
RESPONSE_BYTES_MAX = 1024 * 1024
EXPECTED_MAX = 50
STATUS_MIN, STATUS_MAX = 100, 599  # RFC 9110 section 15

METHOD_REASON = f"must be one of {', '.join(METHODS)}"
URL_REASON = "must be a URL that begins with http:// or https:// and a host"
EXPECTED_REASON = 'must be a status like 201, a class like "2xx", or a list of these'
QUERY_REASON = "must be text, a number, a boolean, null, or a list of these"
HEADER_REASON = "must be text, a number or a boolean"

STATUS_SCHEMA: JsonObject = {
    "anyOf": [
        {"type": "integer", "minimum": STATUS_MIN, "maximum": STATUS_MAX},
        {"type": "string", "pattern": "^[1-5]xx$"},
    ]
}
EXPECTED_SCHEMA: JsonObject = {
    "anyOf": [
        STATUS_SCHEMA,
        {"type": "array", "items": STATUS_SCHEMA, "minItems": 1, "maxItems": EXPECTED_MAX},
    ],
    "default": "2xx",
}
METHOD_SCHEMA: JsonObject = {
    "anyOf": [{"enum": list(METHODS)}, {**TEXT_SCHEMA, "pattern": r"\{\{"}],
    "default": "GET",
}

_URL = re.compile(r"https?://[^/?#]", re.IGNORECASE)
_CLASS = re.compile(r"[1-5]xx")


def _known_method(method: TextTemplate) -> TextTemplate:
    """What is not known before the run is checked in the run, here and below."""
    if method.is_constant and method.raw not in METHODS:
        raise PydanticCustomError("method", METHOD_REASON)  # pyright: ignore[reportArgumentType]
    return method


def _absolute(url: TextTemplate) -> TextTemplate:
    if url.is_constant and not _URL.match(str(url.raw)):
        raise PydanticCustomError("url", URL_REASON)
    return url


def _sendable(headers: ObjectTemplate) -> ObjectTemplate:
    """Raises with the place of every header that can never be sent, whatever its value becomes."""
    if isinstance(headers.raw, dict):
        given = _without_secrets(headers.raw, headers)
        mistakes = [*header_mistakes(_constants(headers.raw)), *_no_texts(given)]
        if mistakes:
            raise ValidationError.from_exception_data("headers", [_at(*each) for each in mistakes])
    return headers


def _constants(headers: JsonObject) -> dict[str, str]:
    """The names with what is known of the values."""
    return {
        name: value if isinstance(value, str) and OPENING not in value else ""
        for name, value in headers.items()
    }


def _without_secrets(rendered: JsonObject, template: ObjectTemplate) -> JsonObject:
    """The members that are no secrets: those are texts, in their time."""
    secret = {place for place, _ in template.secrets}
    return {
        name: value for name, value in rendered.items() if f"/{pointer_step(name)}" not in secret
    }


def _secrets_of(rendered: JsonObject, template: ObjectTemplate) -> JsonObject:
    return {n: v for n, v in rendered.items() if n not in _without_secrets(rendered, template)}


def _at(name: str, reason: str) -> InitErrorDetails:
    error = PydanticCustomError("header", "{reason}", {"reason": reason})
    return InitErrorDetails(type=error, loc=(name,), input=None)


def _no_texts(headers: JsonObject) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        if isinstance(value, dict | list | None):
            yield name, HEADER_REASON


def _expected(raw: Json) -> tuple[int | str, ...]:
    listed = raw if isinstance(raw, list) else [raw]
    statuses = tuple(each for each in listed if isinstance(each, int | str) and _is_status(each))
    if len(statuses) != len(listed) or not 0 < len(statuses) <= EXPECTED_MAX:
        raise PydanticCustomError("expect_status", EXPECTED_REASON)
    return statuses


def _is_status(raw: int | str) -> bool:
    if isinstance(raw, str):
        return _CLASS.fullmatch(raw) is not None
    return not isinstance(raw, bool) and STATUS_MIN <= raw <= STATUS_MAX


class Http(EffectfulNode):
    """Sends a request and outputs `{status, headers, json | text}`: `json` when the answer is JSON
    by its media type and can be read as such, `text` otherwise. Names of headers are in lower case.

    url: of a public server. query: added to the URL; a list repeats its name, null leaves it out.
    json or body: what is sent. expect_status: what counts as success; anything else fails the node.
    response_bytes_max: a longer answer fails the node. Redirects are followed, at most five; to
    another origin no header goes along that may be a credential. `Idempotency-Key` is sent with
    every method but GET and HEAD, unless it is set.

    A value of headers, query or json, and body as a whole, may be a secret: `{"$secret": "name"}`,
    with `"prefix": "Bearer "` if something stands before it. It is sent only to hosts that the
    secret allows. Everything is recorded with the run as it is rendered, headers included, but of
    secrets only the name.
    """

    secret_places: ClassVar[re.Pattern[str] | None] = re.compile(
        r"/(headers|query)/[^/]+|/json(/.*)?|/body", re.DOTALL
    )

    method: Annotated[TextField, AfterValidator(_known_method), WithJsonSchema(METHOD_SCHEMA)] = (
        Field(default_factory=lambda: TextTemplate("GET"))
    )
    url: Annotated[TextField, AfterValidator(_absolute)]
    headers: Annotated[ObjectField, AfterValidator(_sendable)] | None = None
    query: ObjectField | None = None
    json_body: Annotated[JsonField | None, Field(alias="json")] = None
    body: TextOrSecretField | None = None
    expect_status: Annotated[
        tuple[int | str, ...], PlainValidator(_expected), WithJsonSchema(EXPECTED_SCHEMA)
    ] = Field(default_factory=lambda: ("2xx",))
    response_bytes_max: Annotated[int, Field(ge=1, le=RESPONSE_BYTES_MAX)] = RESPONSE_BYTES_DEFAULT

    @model_validator(mode="after")
    def _sends_one_body(self) -> Self:
        if self.json_body is not None and self.body is not None:
            raise PydanticCustomError("one_of", "may have json or body, not both")
        return self

    def is_repeatable(self) -> bool:
        return self.method.is_constant and self.method.raw in SAFE_METHODS

    def request(self, scope: Scope) -> JsonObject:
        """{method, url, headers?, query?, json? | body?, expect_status, response_bytes_max}: values
        of headers are texts, those of the query texts or lists of texts.
        """
        method, url = self.method.text(scope.roots), self.url.text(scope.roots)
        if method not in METHODS:
            raise ExpressionFailed("/method", METHOD_REASON)
        if not _URL.match(url):
            raise ExpressionFailed("/url", URL_REASON)
        request: JsonObject = {"method": method, "url": url}
        if self.headers is not None:
            headers = self.headers.object(scope.roots, "/headers")
            texts = _headers(_without_secrets(headers, self.headers))
            request["headers"] = {**texts, **_secrets_of(headers, self.headers)}
        if self.query is not None:
            query = self.query.object(scope.roots, "/query")
            texts = _query(_without_secrets(query, self.query))
            request["query"] = {**texts, **_secrets_of(query, self.query)}
        if self.json_body is not None:
            request["json"] = self.json_body.render(scope.roots)
        if self.body is not None:
            request["body"] = _body(self.body, scope)
        request["expect_status"] = list(self.expect_status)
        request["response_bytes_max"] = self.response_bytes_max
        return request


def _body(body: JsonTemplate, scope: Scope) -> Json:
    """A text, or a reference to a secret."""
    return body.text(scope.roots) if isinstance(body, TextTemplate) else body.render(scope.roots)


def _headers(rendered: JsonObject) -> JsonObject:
    for name, reason in _no_texts(rendered):
        raise ExpressionFailed(f"/headers/{pointer_step(name)}", reason)
    texts = {name: as_text(value) for name, value in rendered.items()}
    for name, reason in header_mistakes(texts):
        raise ExpressionFailed(f"/headers/{pointer_step(name)}", reason)
    return {**texts}


def _query(rendered: JsonObject) -> JsonObject:
    query: JsonObject = {}
    for name, value in rendered.items():
        values = value if isinstance(value, list) else [value]
        if any(isinstance(each, dict | list) for each in values):
            raise ExpressionFailed(f"/query/{pointer_step(name)}", QUERY_REASON)
        texts: list[Json] = [as_text(each) for each in values if each is not None]
        if isinstance(value, list) or texts:
            query[name] = texts if isinstance(value, list) else texts[0]
    return query
