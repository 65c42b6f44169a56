"""What an expression may cost, so that one tenant's expression never holds up a worker that others
need.

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
PATTERN_SIZE_MAX = 10_000
LIST_COMPREHENSIONS = frozenset({"filter", "map"})
# With no comprehension and no more uses than this, values of the size a node may have are always
# cheap enough.
USES_UNWEIGHED_MAX = 8
STRING_CHARACTERS_PER_STEP = 256
STEPS_PER_ITERATION = 20
REPEATS = re.compile(r"\{(\d+)(?:,(\d*))?\}")


@dataclass(frozen=True, slots=True)
class Cost:
    """What the text tells. depth: how deep comprehensions nest. literals: no list or map in the
    text is longer.

    added: placeholders whose value a comprehension may add to what it builds. patterns: the size of
    all regular expressions. is_always_small: no value of a run can make it expensive.
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
        steps = self.uses * sum(weight for weight, _ in measured.values())
        if self.comprehensions and steps <= STEPS_MAX:
            longest = max((longest for _, longest in measured.values()), default=0)
            length = self.literals + longest * (1 + self.sums)
            element = self.literals + self.patterns + self._heaviest(values, measured)
            per_round = length if self.builds_lists else STEPS_PER_ITERATION
            steps += self.comprehensions * length**self.depth * per_round * element
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
        patterns=sum(_pattern_size(pattern) for pattern in _patterns(tokens)),
        is_always_small=not comprehensions
        and not reads_all_nodes
        and source.uses <= USES_UNWEIGHED_MAX,
    )


def pattern_mistake(tokens: Sequence[Token]) -> tuple[Token, str] | None:
    """Why a regular expression is refused: the library compiles it at each use, and a hard one
    takes a second.
    """
    for place, token in enumerate(tokens):
        if token.text != "matches" or _text(tokens, place + 1) != "(":
            continue
        if tokens[place + 2].kind != "string" or _text(tokens, place + 3) != ")":
            return token, "the pattern of `matches` must be a string literal"
    if sum(_pattern_size(pattern) for pattern in _patterns(tokens)) > PATTERN_SIZE_MAX:
        first = next(token for token in tokens if token.text == "matches")
        return first, f"patterns may have {PATTERN_SIZE_MAX} characters, repeats counted"
    return None


def _patterns(tokens: Sequence[Token]) -> list[str]:
    return [
        tokens[place + 2].text
        for place in range(len(tokens) - 2)
        if tokens[place].text == "matches" and tokens[place + 1].text == "("
    ]


def _pattern_size(pattern: str) -> int:
    size = len(pattern)
    for least, most in REPEATS.findall(pattern):
        size *= max(1, int(most or least))
    return size


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
    """(how many values it holds, long strings counting more; how long its longest list or object
    is).

    Stops where it is too much in any case.
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
