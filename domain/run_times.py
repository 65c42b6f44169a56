"""RunTime: how long a run was worked on. Not while it is not begun, waits without a worker, is
paused, or asks for somebody: none of that takes anything of the platform.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.execution_status import FINISHED, ExecutionStatus

MICROSECOND = timedelta(microseconds=1)
WORKED_ON = frozenset({"RUNNING", "COMPENSATING"})


@dataclass(slots=True)
class RunTime:
    """worked_us: since it began, or began again after its end, up to `since`. since: None while it
    is not worked on. metered_count: how often it was metered.
    """

    worked_us: int = 0
    since: datetime | None = None
    is_over: bool = False
    metered_count: int = 0

    def follow(self, status: ExecutionStatus, at: datetime) -> None:
        """What the run has become at an instant."""
        if status in WORKED_ON:
            if self.since is None:
                self.since = at
                self.worked_us = 0 if self.is_over else self.worked_us
                self.is_over = False
            return
        if self.since is not None:
            self.worked_us += (at - self.since) // MICROSECOND
            self.since = None
        self.is_over = status in FINISHED

    @property
    def seconds(self) -> int:
        """Every one that was begun."""
        return -(-self.worked_us // 1_000_000)
