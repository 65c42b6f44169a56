"""The tree of refusals. The domain knows reasons; the edge knows HTTP numbers
(write_api/problem_details.py).

    DomainError
    ├── Invalid          the request itself is malformed; carries one FieldError per mistake
    ├── Unauthenticated  nobody we know is calling
    ├── Forbidden        we know who is calling, and they may not
    ├── NotFound         no such thing in this tenant (another tenant's thing is the same answer)
    ├── Refused          a rule or the present state says no
    ├── Stale            somebody else wrote first
    ├── OverLimit        a quota or rate is used up; carries when to try again
    └── Unavailable      something we depend on is down; the same request may succeed later

A specific error lives beside its aggregate: its docstring is the message, its keyword arguments are
the data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One mistake in a request. path: JSON pointer into the body, e.g.
    `/definition/nodes/2/config/prompt`.
    """

    path: str
    code: str
    message: str


class DomainError(Exception):
    """Something was refused."""

    code: ClassVar[str] = "refused"

    def __init__(self, detail: str | None = None, /, **data: object) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip().splitlines()[0]
        self.data = data
        super().__init__(self.detail)


class Invalid(DomainError):
    """The request is not valid."""

    code = "invalid"

    def __init__(self, detail: str | None = None, /, *, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.errors = tuple(errors)


class Unauthenticated(DomainError):
    """No valid credential was sent."""

    code = "unauthenticated"


class Forbidden(DomainError):
    """The credential does not allow this."""

    code = "forbidden"


class NotFound(DomainError):
    """There is no such thing."""

    code = "not_found"


class Refused(DomainError):
    """A rule forbids this."""

    code = "refused"


class Stale(DomainError):
    """It was changed by somebody else in the meantime."""

    code = "stale"


class OverLimit(DomainError):
    """A limit is used up."""

    code = "over_limit"

    def __init__(
        self, detail: str | None = None, /, *, retry_after_s: float, **data: object
    ) -> None:
        super().__init__(detail, **data)
        self.retry_after_s = retry_after_s


class Unavailable(DomainError):
    """A part this depends on cannot be reached; try again."""

    code = "unavailable"
