"""approval: waits for a person to decide."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from domain.errors import Refused
from domain.identifiers import Json, JsonObject
from domain.node_types import ERROR_PORT, Failure, Result, Scope, Wait, WaitingNode
from domain.nodes.delay import DURATION_S_MAX
from domain.templates import TextField

ASSIGNEES_MAX = 100
PORTS = {"approve": "approved", "reject": "rejected"}


class FormUnusable(Refused):
    """The form of this approval cannot be checked; decide it without edits."""

    code = "form_unusable"


def _form(schema: dict[str, Any]) -> dict[str, Any]:
    # Here, because few definitions have forms, and every process that starts would load it.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as refusal:
        reason = f"this is no JSON Schema: {refusal.message}"
        raise PydanticCustomError("form_schema", "{reason}", {"reason": reason}) from None
    return schema


class Approval(WaitingNode):
    """Waits for `POST /executions/{id}/approvals/{node_id}`; leaves by `approved` or `rejected`.

    form_schema: JSON Schema of the edits that come with a decision. assignees: who may decide, as
    `user:<id>` or `api_key:<id>`; everybody with the scope when there are none. When nobody decided
    within `deadline_s`, `on_timeout` does. Outputs `{decision, comment, edits, decided_by}`.
    """

    title: TextField
    form_schema: Annotated[dict[str, Any], AfterValidator(_form)] | None = None
    assignees: Annotated[list[TextField], Field(max_length=ASSIGNEES_MAX)] | None = None
    deadline_s: Annotated[float, Field(gt=0, le=DURATION_S_MAX)] | None = None
    on_timeout: Literal["approve", "reject", "fail"] = "fail"

    def ports(self) -> frozenset[str | None]:
        return frozenset({*PORTS.values(), ERROR_PORT})

    def wait(self, scope: Scope, now: datetime) -> Wait:
        assignees: list[Json] = [one.text(scope.roots) for one in self.assignees or ()]
        request: JsonObject = {
            "title": self.title.text(scope.roots),
            "form_schema": self.form_schema,
            "assignees": assignees,
            "deadline_s": self.deadline_s,
            "on_timeout": self.on_timeout,
        }
        until = None if self.deadline_s is None else now + timedelta(seconds=self.deadline_s)
        return Wait(request, until)

    def timed_out(self, now: datetime) -> Result | Failure:
        del now
        if self.on_timeout == "fail":
            return Failure("timeout", f"nobody decided within {self.deadline_s:g} s")
        return decided(self.on_timeout, comment=None, edits=None, decided_by=None)


def decided(decision: str, *, comment: str | None, edits: Json, decided_by: str | None) -> Result:
    """decided_by: None when time did."""
    output: JsonObject = {
        "decision": decision,
        "comment": comment,
        "edits": edits,
        "decided_by": decided_by,
    }
    return Result(output, (PORTS[decision],))
