"""EmbeddingCall: a text that was turned into a vector by a model that is paid for. Each is a stream
of its own; the text is not in it.
"""

from typing import Literal, TypeAlias
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.identifiers import Json, JsonObject

# What for: to be found among templates, or to find some.
Purpose: TypeAlias = Literal["template", "search"]


class EmbeddingCall(Aggregate):
    TOPIC = "embedding_call"

    class Created(Aggregate.Created):
        """model: under the name that the tenant knows. happened_at: RFC 3339. usage: as
        domain/usage.py writes it. counters: of the budgets that it counts in
        (domain/budget_rules.py).
        """

        TOPIC = "embedding_call.created"
        purpose: str
        model: str
        happened_at: str
        usage: JsonObject
        counters: list[Json]

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002 # taken by the library, which calls it so
        purpose: Purpose,
        model: str,
        happened_at: str,
        usage: JsonObject,
        counters: list[Json],
    ) -> None:
        """Nothing is decided from it: only read models, invoices and budgets tell of it."""
