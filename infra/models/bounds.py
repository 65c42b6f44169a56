"""How many tokens a call has at most, before it is made: what is counted from the request alone,
without the tokenizer of each model, and never too little.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

from domain.identifiers import Json, JsonObject
from infra.models.offline import prompt_text
from infra.models.parameters import LIMITS, answer_limit
from infra.models.prices import known_model

# Around each message and the whole of them: who says it, where it begins and ends.
MESSAGE_TOKENS = 16
REQUEST_TOKENS = 64
# Around a text that is embedded: some tokenizers mark where it begins and ends.
TEXT_TOKENS = 8
# An image, a recording or a file: what it is charged as depends on what it shows.
PART_TOKENS = 32_768
# Whose newer models know no `max_tokens`.
OF_COMPLETION = frozenset({"azure", "openai"})


class CallBounds(NamedTuple):
    """tokens_in: the prompt has no more. tokens_out: as the request asks; None leaves it to us.
    tokens_out_max: the model says no more; None where that is not known.
    """

    tokens_in: int
    tokens_out: int | None
    tokens_out_max: int | None
    has_parts: bool = False
    has_tools: bool = False


def embedding_tokens_max(text: str) -> int:
    """No tokenizer makes more tokens of a text than it has bytes."""
    return len(text.encode()) + TEXT_TOKENS


def bounds_of(
    model: str, messages: Sequence[Mapping[str, Json]], parameters: Mapping[str, Json]
) -> CallBounds:
    """The map of models has to be loaded, unless the model is `offline/`."""
    limit = answer_limit(parameters)
    if model.startswith("offline/"):
        return CallBounds(len(prompt_text(messages).split()), limit, None)
    tools = parameters.get("tools")
    # No tokenizer makes more tokens of a text than it has bytes.
    beside = [parameters.get(name) for name in ("tools", "response_format") if name in parameters]
    tokens_in = REQUEST_TOKENS + sum(len(orjson.dumps(one)) for one in beside)
    has_parts = False
    for message in messages:
        content = message.get("content")
        others = {name: value for name, value in message.items() if name != "content"}
        tokens_in += MESSAGE_TOKENS + len(orjson.dumps(others))
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, dict) and part.get("type") != "text":
                tokens_in += PART_TOKENS
                has_parts = True
            else:
                tokens_in += len(orjson.dumps(part))
    known = known_model(model)
    return CallBounds(
        tokens_in,
        limit,
        None if known is None else known.tokens_out_max,
        has_parts,
        bool(tools),
    )


def limited(model: str, parameters: Mapping[str, Json], tokens_max: int) -> JsonObject:
    """The parameters with a limit of the answer, under the name that the model knows."""
    provider = model.partition("/")[0]
    names = [name for name in LIMITS if parameters.get(name) is not None] if parameters else []
    if names:
        return {**parameters, **dict.fromkeys(names, tokens_max)}
    return {**parameters, LIMITS[1] if provider in OF_COMPLETION else LIMITS[0]: tokens_max}
