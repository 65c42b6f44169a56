"""POST /triggers/{id}/fire and /backfill."""

from http import HTTPStatus

from pydantic import BaseModel, Field, TypeAdapter
from starlette.responses import Response

from commands.trigger_fires import BackfillTrigger, FireTrigger
from commands.triggers import TriggerOwnerGone
from domain.trigger_inputs import TriggerInputFailed
from domain.triggers import BackfillUnderWay, NotScheduled, TriggerNotFound
from domain.workflows import WorkflowNotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, Instant


class BackfillBody(BaseModel):
    """Times after `from` up to `to`, which has passed; 1,000 at most."""

    model_config = STRICT

    from_: Instant = Field(alias="from")
    to: Instant


class TriggerFired(BaseModel):
    trigger_id: str
    execution_id: str
    status: str


class BackfillOrdered(BaseModel):
    """count: of runs that will begin, one after the other where they must not overlap."""

    trigger_id: str
    count: int


BACKFILL_BODY = TypeAdapter(BackfillBody)


@route(
    "POST",
    "/api/v1/triggers/{trigger_id}/fire",
    documented(
        "fireTrigger",
        "Begin a run now, whatever else runs, and also while the trigger is paused",
        requires=FireTrigger.requires,
        answers=Answered[TriggerFired],
        status=HTTPStatus.ACCEPTED,
        refusals=[
            *(TriggerNotFound, WorkflowNotFound, NotScheduled),
            *(TriggerInputFailed, TriggerOwnerGone),
        ],
    ),
)
async def fire(call: Call) -> Response:
    return await call.answer(FireTrigger(call.id("trigger_id")), HTTPStatus.ACCEPTED)


@route(
    "POST",
    "/api/v1/triggers/{trigger_id}/backfill",
    documented(
        "backfillTrigger",
        "Begin the runs of a period that has passed",
        requires=BackfillTrigger.requires,
        answers=Answered[BackfillOrdered],
        status=HTTPStatus.ACCEPTED,
        body="BackfillBody",
        example={"from": "2026-01-01T00:00:00Z", "to": "2026-01-08T00:00:00Z"},
        refusals=[TriggerNotFound, NotScheduled, BackfillUnderWay],
    ),
)
async def backfill(call: Call) -> Response:
    body = await call.body(BACKFILL_BODY)
    command = BackfillTrigger(call.id("trigger_id"), body.from_, body.to)
    return await call.answer(command, HTTPStatus.ACCEPTED)


ROUTES = (fire, backfill)
BODIES = (BACKFILL_BODY,)
