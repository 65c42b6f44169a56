"""CEL expressions over a run: compiled once, refused with place and reason, evaluated to JSON.

What they see: `input`, `nodes.<id>.output` (or `.error`) of nodes that ran before, `execution`;
`loop` inside a loop, `item` and `index` inside a map, `error` behind the handler of errors.
"""

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import cast

from domain.cel_library import cel
from domain.expression_cost import cost_of, pattern_mistake
from domain.expression_source import (
    PLACEHOLDER,
    ROOTS,
    SCOPED_ROOTS,
    ExpressionSource,
    Missing,
    Reading,
    Token,
    bound_names,
    find,
    read_source,
)
from domain.identifiers import Json

CHARACTERS_MAX = 4096
SHOWN_CHARACTERS_MAX = 80
DEPTH_MAX = 200
TYPE_NAMES = frozenset(
    {"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"}
)
FUNCTIONS = frozenset(
    {
        *("bytes", "contains", "double", "duration", "dyn", "endsWith", "getDate"),
        *("getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours"),
        *("getMilliseconds", "getMinutes", "getMonth", "getSeconds", "int", "matches", "size"),
        *("startsWith", "string", "timestamp", "type", "uint"),
    }
)
SYNTAX_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?(.*)")
UNEXPECTED = re.compile(
    r"(?:mismatched input|extraneous input|no viable alternative at input"
    r"|token recognition error at:) '(.*?)'(?: expecting .*)?$"
)
UNDEFINED = re.compile(r"Undefined variable or function: '(\w+)'")
IDENTIFIER = re.compile(r"[A-Za-z]\w*", re.ASCII)


class ExpressionRefused(Exception):
    """This text is no valid expression. line, column: 1-based."""

    def __init__(self, reason: str, *, line: int = 1, column: int = 1) -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.reason = reason
        self.line = line
        self.column = column


class ExpressionFailed(Exception):
    """The expression is valid, but not with the values of this run. place: JSON pointer into the
    node's config.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}" if place else reason)
        self.place = place
        self.reason = reason


class Expression:
    """place: JSON pointer into the node's config, told by its holder (domain/node_types.py)."""

    __slots__ = ("_cost", "_only_reading", "_program", "_readings", "place", "text")

    def __init__(self, text: str) -> None:
        """Raises ExpressionRefused."""
        if len(text) > CHARACTERS_MAX:
            raise ExpressionRefused(f"an expression has at most {CHARACTERS_MAX} characters")
        source = read_source(text)
        self.text = text
        self.place = ""
        self._readings = source.readings
        self._only_reading: Reading | None = None
        # Most expressions are one path, and to those the library has nothing to add.
        if source.readings and PLACEHOLDER.fullmatch(source.text.strip()):
            (self._only_reading,) = source.readings.values()
            return
        self._program = _compiled(source)
        self._cost = cost_of(source)

    @property
    def nodes_read(self) -> frozenset[str]:
        """The ids of the nodes that it names."""
        return frozenset(
            str(reading.steps[0])
            for reading in self._readings.values()
            if reading.root == "nodes" and reading.steps
        )

    @property
    def scoped_roots(self) -> frozenset[str]:
        """The roots it reads that are known only in some places."""
        return frozenset(reading.root for reading in self._readings.values()) & SCOPED_ROOTS

    @property
    def reads_execution(self) -> bool:
        return any(reading.root == "execution" for reading in self._readings.values())

    @property
    def reads_any_node(self) -> bool:
        """Whether it may read nodes that it does not name, as in `nodes[input.which]`."""
        return any(
            reading.root == "nodes" and not reading.steps for reading in self._readings.values()
        )

    def evaluate(self, roots: Mapping[str, Json]) -> Json:
        """Raises ExpressionFailed. Values that it passes on are not copied."""
        if self._only_reading is not None:
            value = self._only_reading.value(roots)
            if isinstance(value, Missing):
                raise self._failed(_why_missing(self._only_reading, roots))
            return value
        values: dict[str, Json] = {}
        for name, reading in self._readings.items():
            value = reading.value(roots)
            if not isinstance(value, Missing):
                values[name] = value
        if not self._cost.is_affordable(values):
            raise self._failed(
                "this would take too long with these values: shorten the lists, or nest less"
            )
        try:
            return _as_json(self._program.execute(values))
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise self._failed(self._reason(error, roots)) from error

    def _failed(self, reason: str) -> ExpressionFailed:
        return ExpressionFailed(self.place, f"`{shown(self.text)}`: {reason}")

    def _reason(self, error: Exception, roots: Mapping[str, Json]) -> str:
        if isinstance(error, KeyError):
            return "there is no `{}`".format(str(error.args[0]).strip("'"))
        message = str(error)
        undefined = UNDEFINED.match(message)
        if undefined is None:
            # The library goes on with general advice after the first sentence.
            return _with_readings(message.split(". ", 1)[0].rstrip("."), self._readings)
        reading = self._readings.get(undefined[1])
        if reading is not None:
            return _why_missing(reading, roots)
        if undefined[1] in FUNCTIONS:
            return f"`{undefined[1]}` does not take values of these types"
        return f"`{undefined[1]}` is not known here"


def shown(text: str) -> str:
    """A text as an error message quotes it."""
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}…"


def _compiled(source: ExpressionSource) -> cel.Program:
    for token in source.tokens:
        if token.kind == "name" and PLACEHOLDER.fullmatch(token.text):
            raise _refused_at(token, source, f"the name `{token.text}` is reserved")
    try:
        program = cel.compile(source.text)
    except ValueError as error:
        raise _syntax_error(str(error), source) from error
    bound = bound_names(source.tokens)
    known = bound | source.readings.keys() | TYPE_NAMES
    for place, token in enumerate(source.tokens):
        follower = source.tokens[place + 1].text if place + 1 < len(source.tokens) else ""
        if token.kind == "name" and follower == "{" and token.text != "in":
            raise _refused_at(token, source, f"there is no message type `{token.text}`")
    if shadowed := bound & ROOTS:
        reason = "cannot be the variable of a comprehension"
        raise _refused(min(shadowed), source, reason)
    if unknown := set(program.variables()) - known:
        name = min(unknown)
        raise _refused(name, source, f"is unknown; there are {', '.join(sorted(ROOTS))}")
    unknown = {name for name in program.functions() if IDENTIFIER.fullmatch(name)} - FUNCTIONS
    if unknown:
        raise _refused(min(unknown), source, "is not a function", is_called=True)
    if mistake := pattern_mistake(source.tokens):
        raise _refused_at(mistake[0], source, mistake[1])
    return program


def _refused(
    name: str, source: ExpressionSource, reason: str, *, is_called: bool = False
) -> ExpressionRefused:
    """At the first place where `name` is called, or else where it is no field of something."""
    name = name.lstrip(".")
    texts = ["", *(token.text for token in source.tokens), ""]
    candidates = [
        token
        for place, token in enumerate(source.tokens, start=1)
        if token.text == name
        and (texts[place + 1] == "(" if is_called else texts[place - 1] != ".")
    ]
    return _refused_at([*candidates, Token("name", name, 0)][0], source, f"`{name}` {reason}")


def _refused_at(token: Token, source: ExpressionSource, reason: str) -> ExpressionRefused:
    before = source.text[: token.start]
    line = before.count("\n") + 1
    return ExpressionRefused(reason, line=line, column=token.start - before.rfind("\n"))


def _syntax_error(message: str, source: ExpressionSource) -> ExpressionRefused:
    """The library's first complaint, in fewer words."""
    found = SYNTAX_ERROR.findall(message)
    line, column, complaint = next(
        (error for error in found if "Incomplete" not in error[2]), ("1", "1", "cannot be parsed")
    )
    unexpected = UNEXPECTED.match(complaint)
    if unexpected is not None:
        text = unexpected[1]
        complaint = "unexpected end" if text == "<EOF>" else f"unexpected `{text.strip()}`"
    reason = shown(_with_readings(complaint, source.readings))
    return ExpressionRefused(reason, line=int(line), column=int(column))


def _with_readings(message: str, readings: Mapping[str, Reading]) -> str:
    """What a message of the library says about placeholders, in the words of the expression."""
    return PLACEHOLDER.sub(lambda name: str(readings.get(name[0], name[0])), message)


def _why_missing(reading: Reading, roots: Mapping[str, Json]) -> str:
    """In words, where a path stops leading anywhere."""
    if reading.root not in roots:
        return f"there is no `{reading.root}` here"
    for length in range(len(reading.steps)):
        holder = find(roots[reading.root], reading.steps[:length])
        step = reading.steps[length]
        before = Reading(reading.root, reading.steps[:length], is_presence=False)
        if isinstance(
            find(holder, (step,)) if not isinstance(holder, Missing) else holder, Missing
        ):
            if str(before) == "nodes":
                return f"node `{step}` did not run before this one"
            if isinstance(holder, dict):
                return f"there is no `{step}` in `{before}`"
            if isinstance(holder, list) and isinstance(step, int):
                return f"`{before}` has {len(holder)} elements, so there is no [{step}]"
            return f"`{before}` is {type_name(holder)}, so it has no `{step}`"
    raise AssertionError(reading)


def type_name(value: Json | Missing) -> str:
    """What JSON calls the type of a value, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


def _as_json(value: object, depth: int = 0) -> Json:
    """What CEL answered, as JSON. Raises ValueError with the reason."""
    match value:
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case float():
            raise ValueError("the result is not a finite number")
        case list() | dict() if depth >= DEPTH_MAX:
            raise ValueError("the result nests too deep")
        case list():
            elements = cast("list[object]", value)
            return [_as_json(element, depth + 1) for element in elements]
        case dict():
            members = cast("dict[object, object]", value)
            return {_as_key(key): _as_json(child, depth + 1) for key, child in members.items()}
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case timedelta():
            raise ValueError("the result is a duration; use string(...) of it")
        case bytes():
            raise ValueError("the result is bytes; use string(...) of it")
        case _:
            raise ValueError(f"the result is no JSON but {type(value).__name__}")


def _as_key(key: object) -> str:
    if not isinstance(key, str):
        raise ValueError("the result has a key that is not a string")  # noqa: TRY004 # no programmer's error
    return key
