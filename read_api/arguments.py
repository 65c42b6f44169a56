"""Arguments that many fields share."""

from typing import Annotated, TypeAlias

import strawberry

Id: TypeAlias = Annotated[strawberry.ID, strawberry.argument(name="id")]
# Honoured for all fields of a request before any of them is read (read_api/operations.py), so
# resolvers ignore it.
MinPosition: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        name="minPosition",
        description="Wait, a few seconds at most, until the read model has come to this position.",
    ),
]
