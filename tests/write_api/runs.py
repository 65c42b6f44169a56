"""Executions begun through the API and driven by what a worker would do."""

from uuid import UUID

from domain.executions import Execution
from domain.identifiers import Json, JsonObject
from tests.commands.steps import worked
from tests.write_api.api import Api


async def begun(api: Api, definition: JsonObject, given: Json = None) -> str:
    workflow = await api.created("/workflows", {"name": "Flow", "definition": definition})
    path = f"/workflows/{workflow['workflow_id']}/execute"
    return str((await api.created(path, {"input": given}))["execution_id"])


async def driven(api: Api, execution_id: str, outcome=None) -> Execution:
    return await worked(api.world, UUID(execution_id), outcome)
