"""Which passwords are refused when they are set: what an attacker would try first (by zxcvbn, with
its lists of passwords, names and words), what is little more than the name of the tenant or the
person's address, and, where the operator asks for that, what is known from breaches.

No composition is asked for: rules of that kind make passwords that are easier to guess (NIST
SP 800-63B section 3.1.1).
"""

import re
import threading
from collections.abc import Awaitable, Callable, Sequence

from zxcvbn import zxcvbn  # pyright: ignore[reportMissingTypeStubs] # it has none

from commands.password_port import Objection

# What somebody who tries passwords slowly, or a leaked bcrypt hash fast, is through with first.
GUESSES_MIN = 10**8
# The estimate takes long for long ones, and what begins so well ends well enough.
JUDGED_CHARACTERS_MAX = 32
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

# zxcvbn keeps the words of its caller where all callers find them.
_ALONE = threading.Lock()
_WORD = re.compile(r"\w+")

InTurn = Callable[..., Awaitable[Objection | None]]


class InformedPasswordJudge:
    """Implements commands.password_port.PasswordJudge. in_turn: runs what keeps a core busy, a few
    at a time. is_breached: None asks nobody.
    """

    def __init__(
        self, in_turn: InTurn, is_breached: Callable[[str], Awaitable[bool]] | None = None
    ) -> None:
        self._in_turn = in_turn
        self._is_breached = is_breached

    async def objection(self, password: str, words: Sequence[str]) -> Objection | None:
        objection = await self._in_turn(_objection, password, words)
        if objection is None and self._is_breached is not None:
            objection = BREACHED if await self._is_breached(password) else None
        return objection


def _objection(password: str, words: Sequence[str]) -> Objection | None:
    personal = _parts(words)
    if len(_without(password, personal)) < REST_CHARACTERS_MIN:
        return PERSONAL
    with _ALONE:
        estimated = zxcvbn(password[:JUDGED_CHARACTERS_MAX], user_inputs=personal)
    return GUESSABLE if estimated["guesses"] < GUESSES_MIN else None


def _parts(words: Sequence[str]) -> list[str]:
    """`Acme Robotics` is acme, robotics and acmerobotics; the longest first."""
    parts: set[str] = set()
    for told in words:
        found = [part.casefold() for part in _WORD.findall(told)]
        parts.update(found)
        parts.add("".join(found))
    long = [part for part in parts if len(part) >= WORD_CHARACTERS_MIN]
    return sorted(long, key=lambda part: (-len(part), part))[:WORDS_MAX]


def _without(password: str, personal: Sequence[str]) -> str:
    rest = password.casefold()
    for part in personal:
        rest = rest.replace(part, "")
    return rest
