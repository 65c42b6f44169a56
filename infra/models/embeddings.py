"""Reads answers in the format of OpenAI's /embeddings, which litellm's have too.

Source: https://platform.openai.com/docs/api-reference/embeddings/object.
"""

import math
from collections.abc import Sequence

from commands.embedding_port import Embedding
from commands.model_port import ModelRequest
from domain.identifiers import Json, JsonObject
from domain.usage import Measured
from infra.models.offline import prompt_text
from infra.models.openai_answers import MalformedAnswer
from infra.models.usage import estimated_usage, reported_usage

RESOURCE = "embeddings"
# As many as pgvector keeps.
DIMENSIONS_MAX = 16_000


def embedding_body(model: str, request: ModelRequest) -> JsonObject:
    """What is sent for the text of the request's last message."""
    text = prompt_text(request.messages)
    return {"model": model, "input": [text], "encoding_format": "float"}


def embedding_of(body: Json, request: ModelRequest, provider: str) -> Embedding:
    """Raises MalformedAnswer."""
    if not isinstance(body, dict):
        raise MalformedAnswer("no object")
    data = body.get("data")
    first = data[0] if isinstance(data, list) and data else None
    numbers = first.get("embedding") if isinstance(first, dict) else None
    return Embedding(_checked(numbers), _measured(body, request), provider)


def _checked(numbers: Json) -> Sequence[float]:
    if not isinstance(numbers, list) or not 0 < len(numbers) <= DIMENSIONS_MAX:
        raise MalformedAnswer("no embedding in the answer")
    vector = [
        float(one) for one in numbers if isinstance(one, int | float) and not isinstance(one, bool)
    ]
    if len(vector) != len(numbers) or not all(math.isfinite(one) for one in vector):
        raise MalformedAnswer("an embedding that is not of numbers")
    return vector


def _measured(body: JsonObject, request: ModelRequest) -> Measured:
    """All that goes in counts as one meter: an embedding has no output."""
    usage = body.get("usage")
    reported = reported_usage(usage)
    if reported is not None and reported.tokens_in:
        return Measured({"embedding_tokens": reported.tokens_in})
    estimated = estimated_usage([{"content": prompt_text(request.messages)}], "")
    return Measured({"embedding_tokens": max(estimated.tokens_in, 1)}, "estimated")
