"""POST /workflows/{id}/triggers, PATCH and DELETE /triggers/{id}, POST /triggers/{id}/pause and
/resume.
"""

from http import HTTPStatus
from typing import Annotated, cast

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter, with_config
from starlette.responses import Response
from typing_extensions import TypedDict

from commands.triggers import (
    ChangeTrigger,
    CreateTrigger,
    DeleteTrigger,
    PauseTrigger,
    ResumeTrigger,
    TriggerContent,
)
from domain.errors import Stale
from domain.identifiers import JsonObject
from domain.quotas import QuotaReached
from domain.schedules import CRON_CHARACTERS_MAX, EVERY_S_MAX, EVERY_S_MIN, JITTER_S_MAX
from domain.trigger_webhooks import SignatureScheme
from domain.triggers import (
    CATCH_UP_FIRES_MAX,
    CATCH_UP_WINDOW_S_MAX,
    CATCH_UP_WINDOW_S_MIN,
    NOTE_CHARACTERS_MAX,
    PAUSE_AFTER_FAILURES_MAX,
    Overlap,
    TriggerNotFound,
)
from domain.workflows import WorkflowNotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, AnyJson, Instant, Name, VersionNumber
from write_api.trigger_webhooks import with_path

Cron = Annotated[
    str,
    StringConstraints(min_length=1, max_length=CRON_CHARACTERS_MAX),
    Field(description="Minute, hour, day of month, month, day of week; as Debian's cron has it."),
]
ZoneName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Field(description="A name of the IANA time zone database; UTC without it."),
]
FireCount = Annotated[int, Field(ge=1, le=CATCH_UP_FIRES_MAX)]
WindowSeconds = Annotated[int, Field(ge=CATCH_UP_WINDOW_S_MIN, le=CATCH_UP_WINDOW_S_MAX)]
Failures = Annotated[int, Field(ge=1, le=PAUSE_AFTER_FAILURES_MAX)]
SecretName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
InputTemplate = Annotated[
    AnyJson,
    Field(
        description=(
            "What runs get, with expressions over `input`: `{{ input.scheduled_at }}` of a"
            " schedule, `{{ input.body.id }}`, `.headers` and `.query` of a webhook. Without it:"
            " {kind, scheduled_at, fired_at, trigger_id}, or the body."
        )
    ),
]


class ScheduleBody(BaseModel):
    """One of cron and every_s. phase_s: after each multiple of every_s since 1970. jitter_s: a fire
    is up to so much later.
    """

    model_config = STRICT

    cron: Cron | None = None
    time_zone: ZoneName | None = None
    every_s: Annotated[int, Field(ge=EVERY_S_MIN, le=EVERY_S_MAX)] | None = None
    phase_s: Annotated[int, Field(ge=0, le=EVERY_S_MAX)] | None = None
    start_at: Instant | None = None
    end_at: Instant | None = None
    jitter_s: Annotated[int, Field(ge=0, le=JITTER_S_MAX)] | None = None


class SignatureBody(BaseModel):
    """secret: the name of a secret of the tenant, which the sender signs with."""

    model_config = STRICT

    scheme: SignatureScheme
    secret: SecretName


class WebhookBody(BaseModel):
    """signature: without it whoever knows the path is believed."""

    model_config = STRICT

    signature: SignatureBody | None = None


@with_config(STRICT)
class PolicyBody(TypedDict, total=False):
    """overlap: while a run of it is open, skip the next, keep one until then (buffer_one), run them
    beside each other (allow_all), or cancel the run that is open (cancel_other); `skip` without it.
    catch_up_window_s: what is later than that is missed (3600). catch_up_fires_max: of what is not,
    the newest ones fire (1). pause_after_failures: runs that failed in a row.
    """

    overlap: Overlap
    catch_up_window_s: WindowSeconds
    catch_up_fires_max: FireCount
    pause_after_failures: Failures | None


class TriggerBody(BaseModel):
    """One of schedule and webhook. version: of the workflow; absent runs the newest."""

    model_config = STRICT

    name: Name
    version: VersionNumber | None = None
    schedule: ScheduleBody | None = None
    webhook: WebhookBody | None = None
    input: InputTemplate = None
    policy: PolicyBody = {}


@with_config(STRICT)
class TriggerChanges(TypedDict, total=False):
    """What kind it is, stays. The schedule is replaced whole, the policy member by member."""

    name: Name
    version: VersionNumber | None
    schedule: ScheduleBody
    webhook: WebhookBody
    input: InputTemplate
    policy: PolicyBody


class NoteBody(BaseModel):
    model_config = STRICT

    note: Annotated[str, StringConstraints(max_length=NOTE_CHARACTERS_MAX)] | None = None


class TriggerWritten(BaseModel):
    """next_times: when it will fire, without jitter. webhook_path: of a webhook; a secret."""

    trigger_id: str
    workflow_id: str
    is_paused: bool
    next_times: list[str]
    webhook_path: str | None = None
    version: int


class TriggerDeleted(BaseModel):
    trigger_id: str
    is_deleted: bool


TRIGGER_BODY = TypeAdapter(TriggerBody)
TRIGGER_CHANGES = TypeAdapter(TriggerChanges)
NOTE_BODY = TypeAdapter(NoteBody)

EXAMPLE = {
    "name": "Every working day at nine",
    "schedule": {"cron": "0 9 * * MON-FRI", "time_zone": "Europe/Berlin"},
    "input": {"day": "{{ input.scheduled_at }}"},
}


@route(
    "POST",
    "/api/v1/workflows/{workflow_id}/triggers",
    documented(
        "createTrigger",
        "Let a workflow run by itself: by a schedule, or when its webhook is sent something",
        requires=CreateTrigger.requires,
        answers=Answered[TriggerWritten],
        status=HTTPStatus.CREATED,
        body="TriggerBody",
        example=EXAMPLE,
        refusals=[WorkflowNotFound, QuotaReached],
    ),
)
async def create(call: Call) -> Response:
    body = await call.body(TRIGGER_BODY)
    told: TriggerContent = {"name": body.name, "input": body.input}
    told["workflow_version"] = body.version
    if body.schedule is not None:
        told["schedule"] = _plain(body.schedule)
    if body.webhook is not None:
        told["webhook"] = _plain(body.webhook)
    told["policy"] = cast("JsonObject", {**body.policy})
    command = CreateTrigger(call.id("workflow_id"), told)
    return await call.answer(command, HTTPStatus.CREATED, more=with_path)


@route(
    "PATCH",
    "/api/v1/triggers/{trigger_id}",
    documented(
        "changeTrigger",
        "Change a trigger; times of another schedule count from now on",
        requires=ChangeTrigger.requires,
        answers=Answered[TriggerWritten],
        body="TriggerChanges",
        example={"policy": {"overlap": "buffer_one"}},
        refusals=[TriggerNotFound, WorkflowNotFound, Stale],
    ),
)
async def change(call: Call) -> Response:
    changes = await call.body(TRIGGER_CHANGES)
    told = cast("TriggerContent", {**changes})
    if "version" in changes:
        told["workflow_version"] = changes["version"]
        del cast("dict[str, object]", told)["version"]
    if "schedule" in changes:
        told["schedule"] = _plain(changes["schedule"])
    if "webhook" in changes:
        told["webhook"] = _plain(changes["webhook"])
    command = ChangeTrigger(call.id("trigger_id"), told, call.expected_version)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/triggers/{trigger_id}",
    documented(
        "deleteTrigger",
        "Delete a trigger; runs that it began go on",
        requires=DeleteTrigger.requires,
        answers=Answered[TriggerDeleted],
        refusals=[TriggerNotFound, Stale],
    ),
)
async def delete(call: Call) -> Response:
    command = DeleteTrigger(call.id("trigger_id"), call.expected_version)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/triggers/{trigger_id}/pause",
    documented(
        "pauseTrigger",
        "Begin no more runs until it is resumed",
        requires=PauseTrigger.requires,
        answers=Answered[TriggerWritten],
        body="NoteBody",
        is_body_required=False,
        example={"note": "The supplier moves."},
        refusals=[TriggerNotFound],
    ),
)
async def pause(call: Call) -> Response:
    body = await call.optional_body(NOTE_BODY)
    return await call.answer(PauseTrigger(call.id("trigger_id"), body.note), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/triggers/{trigger_id}/resume",
    documented(
        "resumeTrigger",
        "Begin runs again; what came meanwhile is not made up for",
        requires=ResumeTrigger.requires,
        answers=Answered[TriggerWritten],
        body="NoteBody",
        is_body_required=False,
        example={},
        refusals=[TriggerNotFound],
    ),
)
async def resume(call: Call) -> Response:
    body = await call.optional_body(NOTE_BODY)
    return await call.answer(ResumeTrigger(call.id("trigger_id"), body.note), HTTPStatus.OK)


def _plain(body: BaseModel) -> JsonObject:
    """As JSON, of what was said."""
    return body.model_dump(mode="json", exclude_none=True)


ROUTES = (create, change, delete, pause, resume)
BODIES = (TRIGGER_BODY, TRIGGER_CHANGES, NOTE_BODY)
