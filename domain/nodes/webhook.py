"""webhook: waits for a request of somebody who has no API key."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from domain.node_types import Failure, Result, Scope, Wait, WaitingNode
from domain.nodes.delay import DURATION_S_MAX
from domain.nodes.signal import wait_for_name
from domain.templates import TextField


class Webhook(WaitingNode):
    """Waits for a request to `{{ execution.webhook_path }}/{name}`, which needs no API key.

    Outputs `{method, query, headers, body}`. A request that came before the node did is kept for
    it, the oldest first. Without one within `timeout_s` it fails with the code `timeout`. The name
    is the id of the node unless it says otherwise.
    """

    name: TextField | None = None
    timeout_s: Annotated[float, Field(gt=0, le=DURATION_S_MAX)] | None = None

    def wait(self, scope: Scope, now: datetime) -> Wait:
        name = scope.node_id if self.name is None else self.name.text(scope.roots)
        return wait_for_name(name, "webhook", now, self.timeout_s)

    def timed_out(self, now: datetime) -> Result | Failure:
        del now
        return Failure("timeout", f"no request within {self.timeout_s:g} s")
