"""What a trigger gives its runs: a template over what came, whose root is `input`. Of a schedule,
{kind, scheduled_at, fired_at, trigger_id}; of a webhook, the request.
"""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from domain.errors import FieldError, Invalid, Refused
from domain.expressions import ExpressionFailed
from domain.identifiers import Json, JsonObject
from domain.payloads import payload_bytes
from domain.templates import JsonTemplate, TemplateRefused
from domain.trigger_fires import DueFire

# Of the template; it is read with every event of what it is in.
INPUT_BYTES_MAX = 16 * 1024


class TriggerInputFailed(Refused):
    """The input of the run could not be made of what came."""

    code = "input_failed"


def require_input(raw: Json) -> None:
    """Raises Invalid with paths into the request: the template is its member `input`."""
    if payload_bytes(raw) > INPUT_BYTES_MAX:
        reason = f"at most {INPUT_BYTES_MAX} bytes are expected"
        raise Invalid(errors=[FieldError("/input", "too_large", reason)])
    try:
        template = JsonTemplate(raw)
    except TemplateRefused as refusal:
        mistakes = [
            FieldError(f"/input{one.place}", "invalid_expression", one.reason)
            for one in refusal.mistakes
        ]
        raise Invalid(errors=mistakes) from None
    mistakes = list(_mistakes(template))
    if mistakes:
        raise Invalid(errors=mistakes)


def input_of(raw: Json, came: JsonObject) -> Json:
    """Raises TriggerInputFailed."""
    try:
        template = JsonTemplate(raw)
        for place, expression in template.expressions:
            expression.place = f"/input{place}"
        return template.render({"input": came})
    except ExpressionFailed as failure:
        raise TriggerInputFailed(str(failure)) from None


def told_of_fire(trigger_id: UUID, due: DueFire, now: datetime) -> JsonObject:
    return {
        "kind": due.kind,
        "scheduled_at": due.nominal_at.isoformat(),
        "fired_at": now.isoformat(),
        "trigger_id": str(trigger_id),
    }


def _mistakes(template: JsonTemplate) -> Iterator[FieldError]:
    for place, expression in template.expressions:
        is_of_run = expression.nodes_read or expression.reads_any_node
        if is_of_run or expression.reads_execution or expression.scoped_roots:
            reason = "only `input` is known here: what came"
            yield FieldError(f"/input{place}", "unknown_root", reason)
    if template.secrets:
        reason = "a secret is for nodes, and is no input of a run"
        yield FieldError("/input", "secret_in_input", reason)
