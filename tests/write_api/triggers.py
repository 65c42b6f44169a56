"""Triggers of the write API's tests."""

from domain.identifiers import Json, JsonObject
from tests.write_api.api import Api
from tests.write_api.bodies import WORKFLOW

WORKING_DAYS: JsonObject = {"cron": "0 9 * * MON-FRI", "time_zone": "Europe/Berlin"}


async def a_trigger(api: Api, **content: Json) -> JsonObject:
    """Of a new workflow; on working days, unless it is said otherwise."""
    workflow = await api.created("/workflows", WORKFLOW)
    if "webhook" not in content:
        content = {"schedule": WORKING_DAYS, **content}
    path = f"/workflows/{workflow['workflow_id']}/triggers"
    return await api.created(path, {"name": "Working days", **content})
