"""What a password has to be before it becomes somebody's, beside its length (domain/logins.py)."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from domain.errors import FieldError, Invalid
from domain.logins import canonical_password, require_password


class Objection(NamedTuple):
    """Why a password is not taken; never with anything of the password in it."""

    code: str
    message: str


class PasswordJudge(Protocol):
    async def objection(self, password: str, words: Sequence[str]) -> Objection | None:
        """words: what an attacker would try for this person first, e.g. their address."""
        ...


class AnyPassword:
    """Where nobody sets passwords, such as in workers."""

    async def objection(self, password: str, words: Sequence[str]) -> Objection | None:
        del password, words


async def require_new_password(
    judge: PasswordJudge, password: str, path: str, words: Sequence[str]
) -> None:
    """That it may become somebody's password. Raises Invalid at `path`."""
    require_password(password, path)
    objection = await judge.objection(canonical_password(password), words)
    if objection is not None:
        raise Invalid(errors=[FieldError(path, objection.code, objection.message)])
