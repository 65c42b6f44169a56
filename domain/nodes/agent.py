"""agent: a turn of an agent."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from domain.expressions import ExpressionFailed
from domain.identifiers import JsonObject
from domain.node_types import EffectfulNode, Scope
from domain.templates import JsonField, TextField, TextTemplate


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _agent_id(agent_id: TextTemplate) -> TextTemplate:
    """What is not known before the run is checked in the run."""
    if agent_id.is_constant and not _is_id(str(agent_id.raw)):
        raise PydanticCustomError("agent_id", "must be the id of an agent")
    return agent_id


class Agent(EffectfulNode):
    """Lets the agent answer `input`, with its instructions and its model. Outputs `{text, usage,
    ...}`.

    version: of the agent; absent is the one that is newest when the node runs.
    """

    agent_id: Annotated[TextField, AfterValidator(_agent_id)]
    version: Annotated[int, Field(ge=1)] | None = None
    input: JsonField

    def may_be_repeatable(self) -> bool:
        """Its model is known only when it runs, and may be one that is paid for."""
        return False

    def request(self, scope: Scope) -> JsonObject:
        agent_id = self.agent_id.text(scope.roots)
        if not _is_id(agent_id):
            raise ExpressionFailed("/agent_id", f"`{agent_id[:80]}` is not the id of an agent")
        request: JsonObject = {"agent_id": agent_id, "input": self.input.render(scope.roots)}
        if self.version is not None:
            request["version"] = self.version
        return request
