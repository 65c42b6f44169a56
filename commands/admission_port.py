"""The port of admission: whether the engine can take up another execution. Adapter:
infra/admission.py.
"""

from typing import Protocol

from domain.errors import OverLimit
from domain.identifiers import TenantId


class TooManyOpenExecutions(OverLimit):
    """This tenant has as many executions that are not ended as it may have."""

    code = "too_many_open_executions"


class EngineBehind(OverLimit):
    """Executions wait too long before they begin; try again later."""

    code = "engine_behind"


class Admission(Protocol):
    def require_admitted(self, tenant_id: TenantId) -> None:
        """Whether one more execution may begin, decided without waiting for anything. Raises
        TooManyOpenExecutions or EngineBehind.
        """
        ...

    def require_room(self, tenant_id: TenantId) -> None:
        """The same of a run that is part of one which was accepted: however far the engine is
        behind, it belongs to what is to be done. Raises TooManyOpenExecutions.
        """
        ...
