"""What a resolver may use: the parts of the process, who is asking, and the document that asks."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString, TypeAlias, cast
from uuid import UUID

import orjson
from strawberry.dataloader import DataLoader
from strawberry.types import Info

from infra.audit_entries import AuditEntries
from infra.authentication import Caller
from infra.event_log import TenantId
from infra.event_sealing import OpenEvents
from infra.event_search import EventSearch
from infra.live_text import LiveText
from infra.postgres import Database
from infra.seal_proofs import SealProofs
from infra.tail import Tail
from infra.tenant_features import PostgresFeatures
from read_api.columns import Relation
from read_api.dependencies import ReadDependencies
from read_api.documents import Document
from read_api.errors import coded
from read_api.limits import ReadLimits
from read_api.shaping import Shaper, related

Row: TypeAlias = dict[str, Any]
Related: TypeAlias = "list[Row] | Row | None"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where reads come from."""

    database: Database
    open_events: OpenEvents
    tail: Tail
    limits: ReadLimits
    audit_log: AuditEntries
    features: PostgresFeatures
    seal_proofs: SealProofs
    event_search: EventSearch
    live_text: LiveText
    upcoming_invoice: Callable[[Caller], Awaitable[Mapping[str, Any] | None]]
    embedding_model: str
    embed: Callable[[TenantId, str, str], Awaitable[Sequence[float]]]


def sources_of(dependencies: ReadDependencies) -> Sources:
    return Sources(
        dependencies.database,
        dependencies.open_events,
        dependencies.tail,
        dependencies.limits,
        dependencies.audit_log,
        dependencies.features,
        dependencies.seal_proofs,
        dependencies.event_search,
        dependencies.live_text,
        dependencies.upcoming_invoice,
        dependencies.embedding_model,
        dependencies.embed,
    )


@dataclass(slots=True)
class ReadContext:
    """One operation. Loaders gather what its resolvers ask for one by one into one statement per
    relation.
    """

    sources: Sources
    caller: Caller
    document: Document
    shaper: Shaper
    request_id: UUID
    _loaders: dict[tuple[Relation, int | None], DataLoader[str, Related]] = field(
        default_factory=dict[tuple[Relation, int | None], DataLoader[str, Related]]
    )

    async def json(
        self, query: LiteralString, params: Mapping[str, object], *, is_kept: bool = False
    ) -> bytes | None:
        """The JSON that `query` makes of what the caller may see; one round trip. is_kept: its best
        plan is the same for all parameters.
        """
        tenant_id = self.caller.tenant_id
        if tenant_id is None:
            raise coded("forbidden", "This belongs to a tenant: use one of its credentials.")
        return await self.sources.database.tenant_json(
            tenant_id,
            query,
            cast("Any", params),
            person=self.caller.reads_as,
            is_kept=is_kept,
        )

    async def loaded(self, query: LiteralString, params: Mapping[str, object]) -> Any:
        text = await self.json(query, params)
        return None if text is None else orjson.loads(text)

    async def related(
        self, relation: Relation, type_name: str, key: str | None, *, first: int | None = None
    ) -> Any:
        """The joined rows of one row: a list of rows, or one row or None for a relation without
        order.
        """
        if key is None:
            return None
        loader = self._loaders.get((relation, first))
        if loader is None:

            async def load(keys: list[str]) -> list[Related]:
                return await self._load(relation, type_name, keys, first)

            loader = self._loaders[relation, first] = DataLoader(load)
        return await loader.load(key)

    async def _load(
        self, relation: Relation, type_name: str, keys: list[str], first: int | None
    ) -> list[Related]:
        count_max = relation.count_max if first is None else "($1->>'first')::int"
        rows = related(relation, self.shaper.row(type_name), count_max=count_max, is_past=False)
        outer_key = relation.outer + "." + relation.key
        query = (
            "SELECT json_object_agg(" + outer_key + ", " + rows + ")"
            " FROM (SELECT k::uuid AS " + relation.key
            + " FROM jsonb_array_elements_text($1->'keys') AS k) AS " + relation.outer
        )  # fmt: skip
        found: dict[str, Related] = await self.loaded(query, {"keys": keys, "first": first})
        return [found[key] for key in keys]


ReadInfo: TypeAlias = Info[ReadContext, None]
