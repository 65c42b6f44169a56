"""signal: waits for a named message from outside."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from domain.expressions import ExpressionFailed
from domain.node_types import Failure, Result, Scope, Wait, WaitingNode
from domain.nodes.delay import DURATION_S_MAX
from domain.signals import NAME_CHARACTERS_MAX, is_signal_name
from domain.templates import TextField


class Signal(WaitingNode):
    """Waits for the signal `name`, sent by `POST /executions/{id}/signals/{name}`.

    Outputs its payload. A signal that came before the node did is kept for it, the oldest first.
    Without one within `timeout_s` it fails with the code `timeout`.
    """

    name: TextField
    timeout_s: Annotated[float, Field(gt=0, le=DURATION_S_MAX)] | None = None

    def wait(self, scope: Scope, now: datetime) -> Wait:
        return wait_for_name(self.name.text(scope.roots), "signal", now, self.timeout_s)

    def timed_out(self, now: datetime) -> Result | Failure:
        del now
        return Failure("timeout", f"no signal within {self.timeout_s:g} s")


def wait_for_name(name: str, kind: str, now: datetime, timeout_s: float | None) -> Wait:
    """kind: what has the name, for people. Raises ExpressionFailed."""
    if not is_signal_name(name):
        reason = f"`{name[:80]}` is no name of a {kind}: 1 to {NAME_CHARACTERS_MAX} of A-Za-z0-9_.-"
        raise ExpressionFailed("/name", reason)
    until = None if timeout_s is None else now + timedelta(seconds=timeout_s)
    return Wait({"name": name, "timeout_s": timeout_s}, until)
