"""Which passwords are refused when they are set (NIST SP 800-63B section 3.1.1): what others had
before, what repeats itself or follows a row of keys, what is little more than the name of the
tenant or the person's address, and, where the operator asks for that, what is known from breaches.

No composition is asked for: rules of that kind make passwords that are easier to guess.

common_passwords.txt: one a line, the most frequent first; see common_passwords.license.txt.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from commands.password_port import Objection

COMMON_FILE = Path(__file__).with_name("common_passwords.txt")
# Two of the most frequent after each other are no more than 25 million guesses.
PAIRED_MAX = 5_000
# Of a password, that do not follow from the character before.
CHOICES_MIN = 6
DISTINCT_MIN = 5
# Shorter words are in passwords by chance.
WORD_CHARACTERS_MIN = 4
WORDS_MAX = 20
# Of a password, without the words that belong to its person.
REST_CHARACTERS_MIN = 8

GUESSABLE = Objection(
    "password_guessable",
    "this is among the first that somebody would try; take several words that have nothing to do"
    " with each other",
)
PERSONAL = Objection(
    "password_personal",
    "besides the name of the tenant, your name and your address there is too little in it",
)
BREACHED = Objection(
    "password_breached", "this password is known from a breach of some other service; take another"
)

_WORD = re.compile(r"\w+")
_REPEATED = re.compile(r"(.+?)\1+")
_AROUND = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_ROWS = (
    *("abcdefghijklmnopqrstuvwxyz", "01234567890"),
    *("qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./", "qwertzuiop", "azertyuiop"),
)
_NEXT = frozenset(pair for row in _ROWS for a, b in pairwise(row) for pair in (a + b, b + a))
_AS_LETTERS = str.maketrans("4@83601!5$7+|", "aabegoiisstti")


class InformedPasswordJudge:
    """Implements commands.password_port.PasswordJudge. is_breached: None asks nobody."""

    def __init__(self, is_breached: Callable[[str], Awaitable[bool]] | None = None) -> None:
        self._is_breached = is_breached

    async def objection(self, password: str, words: Sequence[str]) -> Objection | None:
        folded = password.casefold()
        if len(_without(folded, _parts(words))) < REST_CHARACTERS_MIN:
            return PERSONAL
        if _is_guessable(folded):
            return GUESSABLE
        if self._is_breached is not None and await self._is_breached(password):
            return BREACHED
        return None


def _is_guessable(folded: str) -> bool:
    choices = 1 + sum(a != b and a + b not in _NEXT for a, b in pairwise(folded))
    if choices < CHOICES_MIN or len(set(folded)) < DISTINCT_MIN:
        return True
    ranks = common_passwords()
    bare = _AROUND.sub("", folded)
    return any(
        _is_common(_unit(text), ranks)
        for text in {folded, bare, folded.translate(_AS_LETTERS), bare.translate(_AS_LETTERS)}
    )


def _is_common(text: str, ranks: Mapping[str, int]) -> bool:
    """One of them, or two of the most frequent after each other."""
    if text in ranks:
        return True
    splits = ((text[:place], text[place:]) for place in range(1, len(text)))
    return any(
        ranks.get(first, PAIRED_MAX) < PAIRED_MAX and ranks.get(second, PAIRED_MAX) < PAIRED_MAX
        for first, second in splits
    )


def _unit(text: str) -> str:
    """What is there again and again; else all of it."""
    repeated = _REPEATED.fullmatch(text)
    return text if repeated is None else repeated[1]


@cache
def common_passwords() -> Mapping[str, int]:
    """By password, its place."""
    lines = COMMON_FILE.read_text(encoding="utf-8").split()
    return {password: place for place, password in enumerate(lines)}


def _parts(words: Sequence[str]) -> Sequence[str]:
    """`Acme Robotics` is acme, robotics and acmerobotics; the longest first."""
    parts: set[str] = set()
    for told in words:
        found = [part.casefold() for part in _WORD.findall(told)]
        parts |= {*found, "".join(found)}
    long = [part for part in parts if len(part) >= WORD_CHARACTERS_MIN]
    return sorted(long, key=lambda part: (-len(part), part))[:WORDS_MAX]


def _without(folded: str, personal: Collection[str]) -> str:
    for part in personal:
        folded = folded.replace(part, "")
    return folded
