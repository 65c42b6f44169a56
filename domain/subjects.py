"""DataSubject: somebody whom a tenant named in runs, by a name of the tenant's own, and who was
erased. Until then there is no stream: runs say themselves whose data they work on.

The name is personal, so no event has it but those of the runs, sealed with the subject's key. The
subject is found by an id that is made from the name with a key of the platform.
"""

from dataclasses import dataclass
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import FieldError, Invalid, NotFound, Refused

NAME_CHARACTERS_MAX = 200


class DataSubjectNotFound(NotFound):
    """No execution of this tenant has named this data subject."""


class DataSubjectErased(Refused):
    """This data subject was erased; nothing can be done under its name any more."""

    code = "data_subject_erased"


@dataclass(frozen=True, slots=True)
class NamedSubject:
    """Whose data a run works on. name: of the tenant's own."""

    subject_id: UUID
    name: str


def require_name(name: str) -> None:
    """Raises Invalid."""
    if not 0 < len(name) <= NAME_CHARACTERS_MAX:
        reason = f"a data subject is named by 1 to {NAME_CHARACTERS_MAX} characters"
        raise Invalid(errors=[FieldError("/data_subject", "invalid_data_subject", reason)])
    if not name.isprintable() or name != name.strip():
        reason = "a data subject is named by printable characters, without space around them"
        raise Invalid(errors=[FieldError("/data_subject", "invalid_data_subject", reason)])


class DataSubject(Aggregate):
    TOPIC = "data_subject"

    class Created(Aggregate.Created):
        TOPIC = "data_subject.created"

    class Erased(Aggregate.Event):
        """Its key is destroyed with this. The stream has the id of the subject."""

        TOPIC = "data_subject.erased"

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
    ) -> None:
        self.is_erased = False

    def erase(self) -> None:
        """Twice is once."""
        if not self.is_erased:
            self._erased()

    @event(Erased)
    def _erased(self) -> None:
        self.is_erased = True
