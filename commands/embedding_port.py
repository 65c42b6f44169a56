"""The port of embeddings: a text as a vector, for comparing. Adapters: infra/models;
metered for a tenant: sagas/embeddings.py.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from commands.model_port import ModelRequest
from domain.errors import OverLimit, Refused, Unavailable
from domain.usage import Measured


class Embedding(NamedTuple):
    """vector: finite numbers. measured: what is to be paid; nothing of a model that is free."""

    vector: Sequence[float]
    measured: Measured
    provider: str


class Embeddings(Protocol):
    async def embed(self, request: ModelRequest) -> Embedding:
        """Of the text of the request's one message. Raises ModelFailed."""
        ...


class EmbeddingRefused(Refused):
    """A hard budget does not pay for comparing the text."""

    code = "budget_exceeded"


class EmbeddingHeldUp(EmbeddingRefused):
    """Other calls hold what is left of a hard budget; try again."""

    code = "budget_reserved"


class EmbeddingUnpriced(EmbeddingRefused):
    """Nobody knows what the embedding model costs, and a hard budget has to."""

    code = "budget_unpriced"


class EmbeddingRateLimited(OverLimit):
    """The limits of the tenant's calls do not allow another one now."""

    code = "rate_limited"


class EmbeddingFailed(Unavailable):
    """The text could not be compared: the embedding model gave no answer."""

    code = "embedding_failed"
