"""The text of a CEL expression before the library sees it: what it reads and which names it binds.

The library converts every variable it is given, whole: `size(nodes.draft.output.text) > 100` would
copy the outputs of the entire run. Paths that can be read off the text are therefore looked up
here, and the library sees placeholders:

    size(nodes.draft.output.text) > 100
    size(_0                     ) > 100

A placeholder is as long as what it stands for, so positions in error messages stay true. A path
that leads nowhere leaves its placeholder undefined, which fails exactly where the expression needs
it, as CEL wants it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from domain.identifiers import Json

ROOTS = frozenset({"input", "nodes", "execution"})
# Known only in some places: inside a loop, inside a map, behind the handler of errors. There a
# comprehension may still bind the name: `input.list.map(item, item.id)` means its own.
SCOPED_ROOTS = frozenset({"loop", "item", "index", "error"})
COMPREHENSIONS = frozenset({"all", "exists", "exists_one", "existsOne", "filter", "map"})

TOKEN = re.compile(
    r"""
      (?P<space>   \s+ | //[^\n]* )
    | (?P<string>  [bB]?[rR][bB]? (?: \"{3}.*?\"{3} | '{3}.*?'{3} | "[^"\n]*" | '[^'\n]*' )
                 | [bB]? (?: \"{3}(?:\\.|[^\\])*?\"{3} | '{3}(?:\\.|[^\\])*?'{3}
                           | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' ) )
    | (?P<number>  0[xX][0-9a-fA-F]+[uU]? | \d+(?:\.\d+)?(?:[eE][+-]?\d+)?[uU]? )
    | (?P<name>    [A-Za-z_]\w* )
    | (?P<symbol>  . )
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)
PLACEHOLDER = re.compile(r"_\d+")
PLAIN_STRING = re.compile(r"""(["'])([^\\"']*)\1""")
NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
INDEX = re.compile(r"\d{1,9}")

Step: TypeAlias = str | int


@dataclass(frozen=True, slots=True)
class Token:
    """kind: string | number | name | symbol."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class Missing:
    """What a path that leads nowhere has instead of a value, which is not the same as null."""


MISSING = Missing()


@dataclass(frozen=True, slots=True)
class Reading:
    """One place of the run that an expression reads. is_presence: only whether it is there."""

    root: str
    steps: tuple[Step, ...]
    is_presence: bool

    def value(self, roots: Mapping[str, Json]) -> Json | Missing:
        """MISSING when the path, or for a presence the way to its last step, leads nowhere."""
        if self.root not in roots:
            return MISSING
        if not self.is_presence:
            return find(roots[self.root], self.steps)
        holder = find(roots[self.root], self.steps[:-1])
        return self.steps[-1] in holder if isinstance(holder, dict) else MISSING

    def __str__(self) -> str:
        steps = (f".{step}" if isinstance(step, str) else f"[{step}]" for step in self.steps)
        return "".join((self.root, *steps))


@dataclass(frozen=True, slots=True)
class ExpressionSource:
    """text: with placeholders. uses: how often they are named. tokens: of the text as written."""

    text: str
    readings: Mapping[str, Reading]
    uses: int
    tokens: Sequence[Token]


def tokenize(text: str, start: int = 0) -> Iterator[Token]:
    """Never fails: what begins no token is a symbol, and the compiler says what is wrong."""
    for match in TOKEN.finditer(text, start):
        if match.lastgroup is not None and match.lastgroup != "space":
            yield Token(match.lastgroup, match.group(), match.start())


def read_source(text: str) -> ExpressionSource:
    tokens = list(tokenize(text))
    placeholders: dict[Reading, str] = {}
    pieces: list[str] = []
    copied_to = uses = 0
    roots = ROOTS | (SCOPED_ROOTS - bound_names(tokens))
    for reading, begin, end in _readings(tokens, roots):
        name = placeholders.setdefault(reading, f"_{len(placeholders)}")
        pieces += [text[copied_to:begin], name, _blank(text[begin + len(name) : end])]
        copied_to = end
        uses += 1
    pieces.append(text[copied_to:])
    readings = {name: reading for reading, name in placeholders.items()}
    return ExpressionSource("".join(pieces), readings, uses, tokens)


def bound_names(tokens: Sequence[Token]) -> set[str]:
    """The names that comprehensions bind: the `x` of `list.map(x, x * 2)`."""
    return {
        tokens[place + 2].text
        for place in range(len(tokens) - 2)
        if is_comprehension(tokens, place) and tokens[place + 2].kind == "name"
    }


def is_comprehension(tokens: Sequence[Token], place: int) -> bool:
    return (
        tokens[place].text in COMPREHENSIONS
        and _text(tokens, place - 1) == "."
        and _text(tokens, place + 1) == "("
    )


def find(value: Json, steps: Sequence[Step]) -> Json | Missing:
    for step in steps:
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return MISSING
            value = value[step]
        else:
            if not isinstance(value, list) or step >= len(value):
                return MISSING
            value = value[step]
    return value


def _readings(tokens: Sequence[Token], roots: frozenset[str]) -> Iterator[tuple[Reading, int, int]]:
    """(reading, where it begins in the text, where it ends), in order."""
    place = 0
    while place < len(tokens):
        token = tokens[place]
        is_root = token.kind == "name" and token.text in roots
        if not is_root or _text(tokens, place - 1) == "." or _text(tokens, place + 1) == "(":
            place += 1
            continue
        steps, after = _steps(tokens, place + 1)
        is_presence = bool(steps) and _is_inside_has(tokens, place, after)
        first, last = (place - 2, after) if is_presence else (place, after - 1)
        yield Reading(token.text, steps, is_presence), tokens[first].start, tokens[last].end
        place = last + 1


def _is_inside_has(tokens: Sequence[Token], place: int, after: int) -> bool:
    """Whether tokens[place:after], which end in a field, are the whole argument of `has`."""
    before = [_text(tokens, place - offset) for offset in (3, 2, 1)]
    return (
        before[0] != "."
        and before[1:] == ["has", "("]
        and _text(tokens, after) == ")"
        and tokens[after - 1].kind == "name"
    )


def _steps(tokens: Sequence[Token], place: int) -> tuple[tuple[Step, ...], int]:
    """The fixed steps from `place` on, `.name`, `["name"]` and `[0]`, and the place after them."""
    steps: list[Step] = []
    while True:
        opening, inner, closing = (_text(tokens, place + offset) for offset in range(3))
        if opening == "." and NAME.fullmatch(inner) and closing != "(":  # ( makes it a method.
            steps.append(inner)
            place += 2
        elif opening == "[" and closing == "]" and (plain := PLAIN_STRING.fullmatch(inner)):
            steps.append(plain[2])
            place += 3
        elif opening == "[" and closing == "]" and INDEX.fullmatch(inner):
            steps.append(int(inner))
            place += 3
        else:
            break
    return tuple(steps), place


def _text(tokens: Sequence[Token], place: int) -> str:
    return tokens[place].text if 0 <= place < len(tokens) else ""


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)
