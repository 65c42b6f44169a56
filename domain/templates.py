"""Configs with expressions in them: every `{{ ... }}` in a string is CEL, the rest is as it is.

A string that is exactly one placeholder keeps the type of its value; in a longer one, and where
text is wanted, values that are no strings appear as JSON. Two braces that are none of ours are
written `{{ "{{" }}`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, TypeAlias, TypeVar

import orjson
from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from domain.expression_source import tokenize
from domain.expressions import (
    CHARACTERS_MAX,
    Expression,
    ExpressionFailed,
    ExpressionRefused,
    shown,
    type_name,
)
from domain.identifiers import Json, JsonObject
from domain.secret_references import SECRET, is_reference

OPENING = "{{"
# Far more than may be recorded; what repeats a large value often must not be built first.
RENDERED_SIZE_MAX = 1024 * 1024
TOO_LARGE = f"this gets larger than {RENDERED_SIZE_MAX} characters"
EXPRESSIONS_UNWEIGHED_MAX = 8

Roots: TypeAlias = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Mistake:
    """An expression that was refused. place: JSON pointer from where the template begins."""

    place: str
    reason: str


class TemplateRefused(Exception):
    """There are expressions in it that are not valid."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("; ".join(mistake.reason for mistake in mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class _Constant:
    value: Json

    def render(self, roots: Roots) -> Json:
        del roots
        return self.value


@dataclass(frozen=True, slots=True)
class _Value:
    expression: Expression

    def render(self, roots: Roots) -> Json:
        return self.expression.evaluate(roots)


@dataclass(frozen=True, slots=True)
class _Text:
    pieces: tuple[str | Expression, ...]

    def render(self, roots: Roots) -> Json:
        text = ""
        for piece in self.pieces:
            text += piece if isinstance(piece, str) else as_text(piece.evaluate(roots))
            if len(text) > RENDERED_SIZE_MAX:
                place = next(piece.place for piece in self.pieces if isinstance(piece, Expression))
                raise ExpressionFailed(place, TOO_LARGE)
        return text


@dataclass(frozen=True, slots=True)
class _Object:
    members: tuple[tuple[str, "_Part"], ...]

    def render(self, roots: Roots) -> Json:
        return {key: part.render(roots) for key, part in self.members}


@dataclass(frozen=True, slots=True)
class _List:
    elements: tuple["_Part", ...]

    def render(self, roots: Roots) -> Json:
        return [part.render(roots) for part in self.elements]


_Part: TypeAlias = _Constant | _Value | _Text | _Object | _List


class JsonTemplate:
    """expressions: all of them, each with its JSON pointer from where the template begins. secrets:
    the references to some, as they are written. render: raises ExpressionFailed; constant parts and
    values that are passed on are not copied.
    """

    __slots__ = ("expressions", "raw", "render", "secrets")

    render: Callable[[Roots], Json]

    def __init__(self, raw: Json) -> None:
        """Raises TemplateRefused with every mistake. raw: no deeper than a definition may be."""
        compilation = _Compilation()
        self.raw = raw
        part = compilation.part(raw, "")
        if compilation.mistakes:
            raise TemplateRefused(*compilation.mistakes)
        self.expressions = tuple(compilation.expressions)
        # Most templates are one expression, which is all that there is to call.
        self.render = part.expression.evaluate if isinstance(part, _Value) else part.render
        if len(self.expressions) > EXPRESSIONS_UNWEIGHED_MAX:
            self.render = partial(_weighed, self.render, self.expressions[0][1])
        self.secrets = tuple(compilation.secrets)

    @property
    def is_constant(self) -> bool:
        return not self.expressions


class TextTemplate(JsonTemplate):
    """A string that is rendered to a string."""

    def text(self, roots: Roots) -> str:
        """Raises ExpressionFailed."""
        text = self.render(roots) if self.expressions else self.raw
        return text if isinstance(text, str) else as_text(text)


class ObjectTemplate(JsonTemplate):
    """An object, or an expression that gives one."""

    def object(self, roots: Roots, place: str) -> JsonObject:
        """Raises ExpressionFailed, also when it is something else. place: of this template."""
        rendered = self.render(roots)
        if not isinstance(rendered, dict):
            raise ExpressionFailed(place, f"this is {type_name(rendered)}, not an object")
        return rendered


@dataclass(slots=True)
class _Compilation:
    """Collects the expressions of a template while it is read, and all mistakes, not the first."""

    expressions: list[tuple[str, Expression]] = field(default_factory=list[tuple[str, Expression]])
    secrets: list[tuple[str, JsonObject]] = field(default_factory=list[tuple[str, JsonObject]])
    mistakes: list[Mistake] = field(default_factory=list[Mistake])

    def part(self, raw: Json, place: str) -> _Part:
        match raw:
            case str() if OPENING in raw:
                return self._text(raw, place)
            case dict() if is_reference(raw):
                self.secrets.append((place, raw))
                return _Constant(raw)
            case dict():
                members = [(key, self._member(key, child, place)) for key, child in raw.items()]
                is_constant = all(isinstance(part, _Constant) for _, part in members)
                return _Constant(raw) if is_constant else _Object(tuple(members))
            case list():
                parts = [self.part(child, f"{place}/{index}") for index, child in enumerate(raw)]
                is_constant = all(isinstance(part, _Constant) for part in parts)
                return _Constant(raw) if is_constant else _List(tuple(parts))
            case _:
                return _Constant(raw)

    def _member(self, key: str, raw: Json, place: str) -> _Part:
        if OPENING in key:
            self.mistakes.append(Mistake(place, f"the key `{shown(key)}` cannot be an expression"))
        return self.part(raw, f"{place}/{pointer_step(key)}")

    def _text(self, raw: str, place: str) -> _Part:
        pieces: list[str | Expression] = []
        try:
            for text, is_expression in split(raw):
                pieces.append(self._expression(text, place) if is_expression else text)
        except TemplateRefused as refusal:
            self.mistakes += [Mistake(place, mistake.reason) for mistake in refusal.mistakes]
        match pieces:
            case [Expression() as only]:
                return _Value(only)
            case _:
                return _Text(tuple(pieces))

    def _expression(self, text: str, place: str) -> Expression:
        expression = expression_of(text)
        self.expressions.append((place, expression))
        return expression


AnyTemplate = TypeVar("AnyTemplate", bound=JsonTemplate)


def split(raw: str) -> Iterator[tuple[str, bool]]:
    """The pieces of a string: (text, whether it is an expression).

    Raises TemplateRefused for a placeholder that is not closed.
    """
    copied_to = 0
    while (opening := raw.find(OPENING, copied_to)) >= 0:
        closing = _closing(raw, opening + len(OPENING))
        if closing is None:
            reason = (
                f"`{shown(raw[opening:])}`: `{{{{` is never closed; for the braces themselves "
                'write {{ "{{" }}'
            )
            raise TemplateRefused(Mistake("", reason))
        if opening > copied_to:
            yield raw[copied_to:opening], False
        yield raw[opening + len(OPENING) : closing], True
        copied_to = closing + len(OPENING)
    if copied_to < len(raw):
        yield raw[copied_to:], False


def expression_of(text: str) -> Expression:
    """Raises TemplateRefused with the text, the position in it and the reason."""
    try:
        return Expression(text.strip())
    except ExpressionRefused as refusal:
        raise TemplateRefused(Mistake("", f"`{shown(text.strip())}`: {refusal}")) from None


def as_text(value: Json) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _weighed(render: Callable[[Roots], Json], first: Expression, roots: Roots) -> Json:
    rendered = render(roots)
    if _is_too_large(rendered):
        raise ExpressionFailed(first.place, TOO_LARGE)
    return rendered


def _is_too_large(value: Json) -> bool:
    size = 0
    pending = [value]
    while pending and size <= RENDERED_SIZE_MAX:
        current = pending.pop()
        size += len(current) if isinstance(current, str) else 1
        if isinstance(current, dict):
            pending.extend(current.values())
        elif isinstance(current, list):
            pending.extend(current)
    return size > RENDERED_SIZE_MAX


def pointer_step(key: str) -> str:
    """One step of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _closing(raw: str, start: int) -> int | None:
    """Where the `}}` is that ends the expression begun at `start`: not in a string, nor inside
    braces of its own.
    """
    depth = 0
    for token in tokenize(raw, start):
        if token.text == "{":
            depth += 1
        elif token.text == "}":
            if depth == 0:
                return token.start if raw.startswith("}}", token.start) else None
            depth -= 1
    return None


def _checked_expression(raw: object) -> Expression:
    """An expression as a whole needs no braces; with them it means the same."""
    if not isinstance(raw, str):
        raise PydanticCustomError("string_type", "Input should be a string")
    text = raw.strip()
    try:
        pieces = list(split(text)) if text.startswith(OPENING) else []
        return expression_of(pieces[0][0] if len(pieces) == 1 else text)
    except TemplateRefused as refusal:
        raise _custom_error(refusal) from None


def _checked_text(raw: object) -> TextTemplate:
    if not isinstance(raw, str):
        raise PydanticCustomError("string_type", "Input should be a string")
    return _checked(TextTemplate, raw)


def _checked_json(raw: Json) -> JsonTemplate:
    return _checked(JsonTemplate, raw)


def _checked_text_or_secret(raw: Json) -> JsonTemplate:
    return _checked(JsonTemplate, raw) if is_reference(raw) else _checked_text(raw)


def _checked_value(raw: Json) -> JsonTemplate:
    """Where only an expression makes sense, a string is one, with or without braces."""
    if isinstance(raw, str) and OPENING not in raw:
        raw = f"{OPENING} {raw} }}}}"
    return _checked(JsonTemplate, raw)


def _checked_object(raw: Json) -> ObjectTemplate:
    template = _checked(ObjectTemplate, raw)
    if template.is_constant and not isinstance(raw, dict):
        raise PydanticCustomError("dict_type", "Input should be an object")
    return template


def _checked(kind: type[AnyTemplate], raw: Json) -> AnyTemplate:
    try:
        return kind(raw)
    except TemplateRefused as refusal:
        raise _custom_error(refusal) from None


def _custom_error(refusal: TemplateRefused) -> PydanticCustomError:
    """Carries the mistakes to whoever turns pydantic's errors into ours (domain/node_types.py)."""
    return PydanticCustomError("invalid_expression", "{error}", {"error": refusal})


EXPRESSION_SCHEMA = {"type": "string", "format": "cel", "maxLength": CHARACTERS_MAX}
TEXT_SCHEMA = {"type": "string", "format": "cel-template"}

ExpressionField: TypeAlias = Annotated[
    Expression, PlainValidator(_checked_expression), WithJsonSchema(EXPRESSION_SCHEMA)
]
TextField: TypeAlias = Annotated[
    TextTemplate, PlainValidator(_checked_text), WithJsonSchema(TEXT_SCHEMA)
]
TextOrSecretField: TypeAlias = Annotated[
    JsonTemplate,
    PlainValidator(_checked_text_or_secret),
    WithJsonSchema({"anyOf": [TEXT_SCHEMA, {"type": "object", "required": [SECRET]}]}),
]
JsonField: TypeAlias = Annotated[JsonTemplate, PlainValidator(_checked_json), WithJsonSchema({})]
ValueField: TypeAlias = Annotated[JsonTemplate, PlainValidator(_checked_value), WithJsonSchema({})]
ObjectField: TypeAlias = Annotated[
    ObjectTemplate, PlainValidator(_checked_object), WithJsonSchema({"type": "object"})
]
