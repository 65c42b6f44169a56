"""llm: a direct call of a model."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from domain.expressions import ExpressionFailed
from domain.identifiers import Json, JsonObject
from domain.model_choices import WEIGHT_MAX, chosen
from domain.node_types import EffectfulNode, NodeConfig, Scope
from domain.templates import JsonField, JsonTemplate, ObjectField, TextField, TextTemplate

CANDIDATES_MAX = 20
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


class Candidate(NodeConfig):
    """weight: as a part of all weights, how likely it is this one."""

    model: Annotated[TextField, AfterValidator(_named)]
    weight: Annotated[int, Field(ge=1, le=WEIGHT_MAX)] = 1


class Llm(EffectfulNode):
    """Asks `model` the `prompt`, or the `messages` of a conversation, with `system` before them.
    With `models` one of them is drawn by weight, and the request says how likely it was.

    Outputs `{text, finish_reason, usage}`. parameters: passed on, e.g. `temperature`.
    """

    models: Annotated[list[Candidate], Field(min_length=2, max_length=CANDIDATES_MAX)] | None = None
    model: Annotated[
        Annotated[TextField, AfterValidator(_named)] | None, Field(validate_default=True)
    ] = None
    prompt: TextField | None = None
    messages: Annotated[JsonField, AfterValidator(_message_list)] | None = None
    system: TextField | None = None
    parameters: ObjectField | None = None

    @field_validator("model")
    @classmethod
    def _is_asked_of_somebody(
        cls, model: TextTemplate | None, info: ValidationInfo
    ) -> TextTemplate | None:
        if "models" in info.data and (model is None) == (info.data["models"] is None):
            raise PydanticCustomError("missing_model", "needs either model or models")
        return model

    @model_validator(mode="after")
    def _asks_one_way(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise PydanticCustomError("one_of", "needs either prompt or messages")
        return self

    def may_be_repeatable(self) -> bool:
        """Every other model's provider sends a bill for each call."""
        asked = [self.model] if self.model is not None else [one.model for one in self.models or ()]
        return all(one.is_constant and str(one.raw).startswith("offline/") for one in asked)

    def request(self, scope: Scope) -> JsonObject:
        """{model, messages, parameters?, routing?}: the prompt is a message of the user, the system
        text the first one.
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
        request = self._model(scope)
        request["messages"] = messages
        if self.parameters is not None:
            request["parameters"] = self.parameters.object(scope.roots, "/parameters")
        return request

    def _model(self, scope: Scope) -> JsonObject:
        if self.model is not None:
            return {"model": self.model.text(scope.roots)}
        candidates = [(one.model.text(scope.roots), one.weight) for one in self.models or ()]
        facts = scope.roots["execution"]
        assert isinstance(facts, dict)
        choice = chosen(candidates, f"{facts['id']}:{scope.path}")
        return {"model": choice.model, "routing": choice.routing}


def _are_messages(value: Json) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(message, dict) and message.get("role") in ROLES and "content" in message
            for message in value
        )
    )
