"""What an expression may cost, so that one tenant's never holds up a worker that others need.

The library has no budget of its own, and its `map` and `filter` copy the list they build with every
element they add (github.com/hardbyte/python-common-expression-language/issues/57): two nested ones
over 1,000 numbers took 90 s. Hence an estimate before the evaluation, from the text and the sizes
of its values, in steps of about 0.1 µs.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.expression_source import (
    PLACEHOLDER,
    ExpressionSource,
    Token,
    is_comprehension,
    tokenize,
)
from domain.identifiers import Json

STEPS_MAX = 2_000_000
PATTERN_STEPS_MAX = 1_000_000
LIST_COMPREHENSIONS = frozenset({"filter", "map"})
# With no comprehension and no more uses than this, values that nodes may have are cheap enough.
USES_UNWEIGHED_MAX = 8
STRING_CHARACTERS_PER_STEP = 256
STEPS_PER_ITERATION = 2
# The library compiles a pattern at each use. Classes of Unicode are what takes long, and repeats.
STEPS_PER_PATTERN = 500
STEPS_PER_ESCAPE = 5000
STEPS_PER_CHARACTER = 10
ESCAPE = re.compile(r"\\(?:[pP]\{\w*\}|.)(?:\{(\d+)(?:,(\d*))?\})?", re.DOTALL)
REPEATED_GROUP = re.compile(r"(?<=[)\]}])\{(\d+)(?:,(\d*))?\}")


@dataclass(frozen=True, slots=True)
class Cost:
    """What the text tells. is_always_small: no values of a run can make it expensive.

    depth: how deep comprehensions nest. literals: no list or map in the text is longer. added: the
    placeholders whose value a comprehension may add to what it builds. patterns: the steps that
    all regular expressions take.
    """

    uses: int
    comprehensions: int
    depth: int
    builds_lists: bool
    literals: int
    sums: int
    added: frozenset[str]
    patterns: int
    is_always_small: bool

    def is_affordable(self, values: Mapping[str, Json]) -> bool:
        """values: what the expression reads, by placeholder."""
        if self.is_always_small:
            return True
        measured = {name: _measure(value) for name, value in values.items()}
        steps = self.uses * (1 + self.sums) * sum(weight for weight, _ in measured.values())
        if self.comprehensions and steps <= STEPS_MAX:
            longest = max((longest for _, longest in measured.values()), default=0)
            length = self.literals + longest * (1 + self.sums)
            element = self.literals + self._heaviest(values, measured)
            per_round = element * (length if self.builds_lists else STEPS_PER_ITERATION)
            steps += self.comprehensions * length**self.depth * (per_round + self.patterns)
        return steps <= STEPS_MAX

    def _heaviest(self, values: Mapping[str, Json], measured: Mapping[str, tuple[int, int]]) -> int:
        """The weight of the heaviest thing that one round of a comprehension may add."""
        elements = (_measure(child)[0] for value in values.values() for child in _children(value))
        added = (measured[name][0] for name in self.added if name in measured)
        return max([0, *elements, *added])


def cost_of(source: ExpressionSource) -> Cost:
    tokens = list(tokenize(source.text))
    comprehensions = [place for place in range(len(tokens)) if is_comprehension(tokens, place)]
    depths = _depths(tokens, set(comprehensions))
    commas = sum(token.text == "," for token in tokens)
    reads_all_nodes = any(str(reading) == "nodes" for reading in source.readings.values())
    return Cost(
        uses=source.uses,
        comprehensions=len(comprehensions),
        depth=max(depths, default=0),
        builds_lists=any(tokens[place].text in LIST_COMPREHENSIONS for place in comprehensions),
        # Every comprehension has a comma of its own.
        literals=1 + max(0, commas - len(comprehensions)),
        sums=sum(token.text == "+" for token in tokens),
        added=frozenset(
            token.text
            for place, token in enumerate(tokens)
            if depths[place]
            and PLACEHOLDER.fullmatch(token.text)
            and not (place + 2 < len(tokens) and is_comprehension(tokens, place + 2))
        ),
        patterns=_pattern_steps(tokens),
        is_always_small=not comprehensions
        and not reads_all_nodes
        and source.uses <= USES_UNWEIGHED_MAX,
    )


def pattern_mistake(tokens: Sequence[Token]) -> tuple[Token, str] | None:
    """Why a pattern is refused, and where."""
    for place, token in enumerate(tokens):
        if token.text != "matches" or _text(tokens, place + 1) != "(":
            continue
        if tokens[place + 2].kind != "string" or _text(tokens, place + 3) != ")":
            return token, "the pattern of `matches` must be a string literal"
    if _pattern_steps(tokens) > PATTERN_STEPS_MAX:
        first = next(token for token in tokens if token.text == "matches")
        return first, "the patterns of `matches` repeat too much"
    return None


def _pattern_steps(tokens: Sequence[Token]) -> int:
    steps = 0
    for place, token in enumerate(tokens):
        if token.text == "matches" and _text(tokens, place + 1) == "(":
            pattern = _text(tokens, place + 2)
            repeats = 1
            for least, most in REPEATED_GROUP.findall(pattern):
                repeats *= max(1, int(most or least))
            escapes = sum(int(most or least or 1) for least, most in ESCAPE.findall(pattern))
            size = escapes * STEPS_PER_ESCAPE + len(pattern) * STEPS_PER_CHARACTER
            steps += STEPS_PER_PATTERN + repeats * size
    return steps


def _depths(tokens: Sequence[Token], comprehensions: set[int]) -> list[int]:
    """For each token, in how many comprehensions it lies."""
    depths: list[int] = []
    # One entry per open parenthesis: whether it is a comprehension's.
    opened: list[bool] = []
    for place, token in enumerate(tokens):
        if token.text == "(":
            opened.append(place - 1 in comprehensions)
        elif token.text == ")" and opened:
            opened.pop()
        depths.append(sum(opened))
    return depths


def _measure(value: Json) -> tuple[int, int]:
    """(how many values it holds, long strings counting more; the length of its longest list).

    An object counts as a list. Stops where it is too much in any case.
    """
    weight = longest = 0
    pending = [value]
    while pending and weight <= STEPS_MAX:
        current = pending.pop()
        weight += 1
        if isinstance(current, str):
            weight += len(current) // STRING_CHARACTERS_PER_STEP
        elif isinstance(current, dict | list):
            longest = max(longest, len(current))
            pending.extend(_children(current))
    return weight, longest


def _children(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _text(tokens: Sequence[Token], place: int) -> str:
    return tokens[place].text if 0 <= place < len(tokens) else ""
