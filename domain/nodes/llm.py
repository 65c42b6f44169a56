"""llm: a direct call of a model."""

from typing import Annotated, Self

from pydantic import AfterValidator, model_validator
from pydantic_core import PydanticCustomError

from domain.expressions import ExpressionFailed
from domain.identifiers import Json, JsonObject
from domain.node_types import EffectfulNode, Scope
from domain.templates import JsonField, JsonTemplate, ObjectField, TextField, TextTemplate

ROLES = frozenset({"assistant", "developer", "system", "tool", "user"})
MESSAGES_REASON = f"must be a list of {{role, content}} with a role of {', '.join(sorted(ROLES))}"


def _named(model: TextTemplate) -> TextTemplate:
    if not model.raw:
        raise PydanticCustomError("missing_model", "must name a model")
    return model


def _message_list(messages: JsonTemplate) -> JsonTemplate:
    """What is not known before the run is checked in the run."""
    if messages.is_constant and not _are_messages(messages.raw):
        raise PydanticCustomError("messages", MESSAGES_REASON)  # pyright: ignore[reportArgumentType]
    return messages


class Llm(EffectfulNode):
    """Asks `model` the `prompt`, or the `messages` of a conversation, with `system` before them.

    Outputs `{text, finish_reason, usage}`. parameters: passed on, e.g. `temperature`.
    """

    model: Annotated[TextField, AfterValidator(_named)]
    prompt: TextField | None = None
    messages: Annotated[JsonField, AfterValidator(_message_list)] | None = None
    system: TextField | None = None
    parameters: ObjectField | None = None

    @model_validator(mode="after")
    def _asks_one_way(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise PydanticCustomError("one_of", "needs either prompt or messages")
        return self

    def may_be_repeatable(self) -> bool:
        """Every other model's provider sends a bill for each call."""
        return self.model.is_constant and str(self.model.raw).startswith("offline/")

    def request(self, scope: Scope) -> JsonObject:
        """{model, messages, parameters?}: the prompt is a message of the user, the system text the
        first one.
        """
        messages: list[Json] = []
        if self.system is not None:
            messages.append({"role": "system", "content": self.system.text(scope.roots)})
        if self.prompt is not None:
            messages.append({"role": "user", "content": self.prompt.text(scope.roots)})
        elif self.messages is not None:
            rendered = self.messages.render(scope.roots)
            if not isinstance(rendered, list) or not _are_messages(rendered):
                raise ExpressionFailed("/messages", MESSAGES_REASON)
            messages += rendered
        request: JsonObject = {"model": self.model.text(scope.roots), "messages": messages}
        if self.parameters is not None:
            request["parameters"] = self.parameters.object(scope.roots, "/parameters")
        return request


def _are_messages(value: Json) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(message, dict) and message.get("role") in ROLES and "content" in message
            for message in value
        )
    )
