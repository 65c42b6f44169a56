"""The tables of a projection in SQL: made, read by key, written by whole rows.

Sets travel to the server as one JSON document, because PostgreSQL takes it apart faster than Python
builds an array per column. JSON columns travel inside it as text, so that they arrive unchanged.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

import orjson
import psycopg
from psycopg import AsyncConnection, AsyncCursor, sql

from domain.identifiers import TenantId
from projections.fold import Applied, Fold, Row
from projections.rollups import rollup_definitions, rollup_name
from projections.table import AnyProjection, Column, Key

# What the data of an event can make the database or its driver say. Everything else is the weather.
UNWRITABLE = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
    orjson.JSONEncodeError,
)
STREAM_RECORD = sql.SQL("tenant_id uuid, stream_id uuid, version bigint, is_parked boolean")


@dataclass(frozen=True, eq=False)
class Tables:
    """Rows, and the version applied of each stream: two tables that a rebuild swaps together.

    name: the projection's table, or where it is being rebuilt.
    """

    projection: AnyProjection
    name: str

    @property
    def streams_name(self) -> str:
        return f"{self.name}_streams"

    @property
    def names(self) -> tuple[str, ...]:
        """Of all its tables, the dependent ones first."""
        beside = [rollup_name(self.name, rollup) for rollup in self.projection.rollups]
        return (*beside, self.streams_name, self.name)

    @cached_property
    def rows(self) -> sql.Identifier:
        return sql.Identifier("agentledger", self.name)

    @cached_property
    def streams(self) -> sql.Identifier:
        return sql.Identifier("agentledger", self.streams_name)

    @cached_property
    def own_only(self) -> sql.Composed:
        """Within the tenant, what somebody sees who sees only what is theirs."""
        own = self.projection.own
        return sql.SQL(
            "CREATE POLICY own_only ON {} AS RESTRICTIVE FOR SELECT TO agentledger_api"
            " USING ((SELECT agentledger.current_person()) IS NULL OR ({}));"
            # By which a later version finds out whether it says the same.
            " COMMENT ON POLICY own_only ON {} IS {}"
        ).format(self.rows, sql.SQL(own), self.rows, sql.Literal(own))

    async def create(self, conn: AsyncConnection) -> None:
        """conn: in a transaction as agentledger_owner."""
        for statement in self._definitions():
            await conn.execute(statement)

    async def ask(
        self, conn: AsyncConnection, streams: set[tuple[TenantId, UUID]], keys: set[Key]
    ) -> "Asked":
        """Send for streams and rows; in a pipeline nothing is waited for until `Asked.into`."""
        names = self.projection.key
        wanted_streams = _document({"tenant_id": t, "stream_id": s} for t, s in streams)
        # No row has a NUL in its key, for no text of PostgreSQL has; asking would be an error.
        possible = (key for key in keys if not any(isinstance(p, str) and "\x00" in p for p in key))
        wanted_rows = _document(dict(zip(names, key, strict=True)) for key in possible)
        asked_streams = conn.cursor(binary=True)
        await asked_streams.execute(self._select_streams, (wanted_streams,), prepare=True)
        asked_rows = conn.cursor(binary=True)
        await asked_rows.execute(self._select_rows, (wanted_rows,), prepare=True)
        return Asked(self, asked_streams, asked_rows)

    async def write_rows(self, conn: AsyncConnection, document: str) -> None:
        await conn.execute(self._upsert_rows, (document,), prepare=True)

    async def write_streams(self, conn: AsyncConnection, document: str) -> None:
        await conn.execute(self._upsert_streams, (document,), prepare=True)

    async def delete_stream(
        self, conn: AsyncConnection, tenant_id: TenantId, stream_id: UUID
    ) -> None:
        """All rows of one stream."""
        await conn.execute(self._delete_stream, (tenant_id, stream_id))

    def row_of(self, record: tuple[object, ...]) -> Row:
        """A record of `selected_columns` as a row."""
        return dict(zip(self._column_names, record, strict=True))

    @cached_property
    def selected_columns(self) -> sql.Composed:
        return sql.SQL(", ").join(
            sql.SQL("r.{}::text" if column.sql_type == "json" else "r.{}").format(
                sql.Identifier(column.name)
            )
            for column in self.projection.columns
        )

    @cached_property
    def _column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.projection.columns)

    @cached_property
    def _select_streams(self) -> bytes:
        # LATERAL with LIMIT 1: one index probe per key, however wrong a young table's statistics.
        query = sql.SQL(
            "SELECT k.stream_id, k.tenant_id, s.version, s.is_parked"
            " FROM json_to_recordset(%s) AS k(tenant_id uuid, stream_id uuid)"
            " CROSS JOIN LATERAL (SELECT version, is_parked FROM {streams} AS s"
            "  WHERE s.tenant_id = k.tenant_id AND s.stream_id = k.stream_id LIMIT 1) AS s"
        )
        return query.format(streams=self.streams).as_bytes(None)

    @cached_property
    def _select_rows(self) -> bytes:
        query = sql.SQL(
            "SELECT {columns} FROM json_to_recordset(%s) AS k({key_record})"
            " CROSS JOIN LATERAL (SELECT * FROM {rows} AS r WHERE {same_key} LIMIT 1) AS r"
        )
        key_columns = [c for c in self.projection.columns if c.name in self.projection.key]
        return query.format(
            columns=self.selected_columns,
            key_record=_record(key_columns),
            rows=self.rows,
            same_key=sql.SQL(" AND ").join(
                sql.SQL("r.{0} = k.{0}").format(sql.Identifier(name))
                for name in self.projection.key
            ),
        ).as_bytes(None)

    @cached_property
    def _upsert_rows(self) -> bytes:
        columns = self.projection.columns
        query = sql.SQL(
            "INSERT INTO {rows} ({names}) SELECT {values} FROM json_to_recordset(%s) AS n({record})"
            " ON CONFLICT ({key}) DO UPDATE SET {changes}"
        )
        return query.format(
            rows=self.rows,
            names=_names(column.name for column in columns),
            values=sql.SQL(", ").join(
                sql.SQL("n.{}::json" if column.sql_type == "json" else "n.{}").format(
                    sql.Identifier(column.name)
                )
                for column in columns
            ),
            record=_record(columns),
            key=_names(self.projection.key),
            changes=sql.SQL(", ").join(
                sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(column.name))
                for column in columns
            ),
        ).as_bytes(None)

    @cached_property
    def _delete_stream(self) -> bytes:
        query = sql.SQL("DELETE FROM {} WHERE tenant_id = %s AND {} = %s")
        return query.format(self.rows, sql.Identifier(self.projection.stream_column)).as_bytes(None)

    @cached_property
    def _upsert_streams(self) -> bytes:
        query = sql.SQL(
            "INSERT INTO {streams} (tenant_id, stream_id, version, is_parked)"
            " SELECT tenant_id, stream_id, version, is_parked"
            " FROM json_to_recordset(%s) AS n({record})"
            " ON CONFLICT (tenant_id, stream_id) DO UPDATE"
            " SET version = EXCLUDED.version, is_parked = EXCLUDED.is_parked"
        )
        return query.format(streams=self.streams, record=STREAM_RECORD).as_bytes(None)

    def indexes(self) -> Iterator[tuple[tuple[str, ...], sql.Composed]]:
        """(columns, what makes it), beside the key's."""
        for index in self.projection.indexes:
            yield index, sql.SQL("CREATE INDEX ON {} ({})").format(self.rows, _names(index))
        for index in self.projection.sparse_indexes:
            statement = sql.SQL("CREATE INDEX ON {} ({}) WHERE {} IS NOT NULL")
            yield index, statement.format(self.rows, _names(index), sql.Identifier(index[1]))

    def _definitions(self) -> Iterator[sql.Composed]:
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}" if column.is_nullable else "{} {} NOT NULL").format(
                sql.Identifier(column.name),
                sql.SQL(column.sql_type),  # pyright: ignore[reportArgumentType] # the types of table.py
            )
            for column in self.projection.columns
        )
        # Room on each page for the next versions of its rows: they then need no new index entries.
        yield sql.SQL("CREATE TABLE {} ({}, PRIMARY KEY ({})) WITH (fillfactor = 80)").format(
            self.rows, columns, _names(self.projection.key)
        )
        for _, statement in self.indexes():
            yield statement
        yield sql.SQL(
            "CREATE TABLE {} (tenant_id uuid NOT NULL, stream_id uuid NOT NULL,"
            " version bigint NOT NULL, is_parked boolean NOT NULL,"
            " PRIMARY KEY (tenant_id, stream_id)) WITH (fillfactor = 80)"
        ).format(self.streams)
        for table in (self.rows, self.streams):
            yield sql.SQL("SELECT agentledger.isolate({}, 'api')").format(
                sql.Literal(table.as_string(None))
            )
            yield sql.SQL(
                "CREATE POLICY projector_keeps ON {} FOR ALL"
                " TO agentledger_projector, agentledger_owner USING (true) WITH CHECK (true)"
            ).format(table)
            yield sql.SQL(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO agentledger_projector"
            ).format(table)
        yield self.own_only
        yield sql.SQL("GRANT SELECT ON {} TO agentledger_api").format(self.rows)
        for rollup in self.projection.rollups:
            yield from rollup_definitions(self.name, rollup, self.projection.own)


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer on its way."""

    tables: Tables
    streams: AsyncCursor[tuple[UUID, UUID, int, bool]]
    rows: AsyncCursor[tuple[object, ...]]

    async def into(self, fold: Fold) -> None:
        async for stream_id, tenant_id, version, is_parked in self.streams:
            fold.stored_streams[stream_id] = Applied(TenantId(tenant_id), version, is_parked)
        async for record in self.rows:
            row = self.tables.row_of(record)
            fold.stored_rows[fold.projection.key_of(row)] = row


def row_documents(
    fold: Fold, *, rows_max: int | None = None, bytes_max: int | None = None
) -> Iterator[str]:
    """The changed rows as JSON arrays, none (much) larger than asked."""
    yield from _documents(fold.rows.values(), rows_max=rows_max, bytes_max=bytes_max)


def stream_documents(fold: Fold, *, rows_max: int | None = None) -> Iterator[str]:
    """The changed versions of streams as JSON arrays."""
    rows = ({"stream_id": stream, **applied._asdict()} for stream, applied in fold.streams.items())
    yield from _documents(rows, rows_max=rows_max, bytes_max=None)


def _documents(
    rows: Iterable[Row], *, rows_max: int | None, bytes_max: int | None
) -> Iterator[str]:
    parts: list[bytes] = []
    size = 0
    for row in rows:
        part = orjson.dumps(row)
        parts.append(part)
        size += len(part)
        if len(parts) == rows_max or (bytes_max is not None and size >= bytes_max):
            yield _joined(parts)
            parts, size = [], 0
    if parts:
        yield _joined(parts)


def _joined(parts: list[bytes]) -> str:
    return (b"[" + b",".join(parts) + b"]").decode()


def _document(rows: Iterable[Row]) -> str:
    return orjson.dumps(list(rows)).decode()


def _names(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _record(columns: Iterable[Column]) -> sql.Composed:
    """The columns of a JSON document; JSON itself stands in it as text."""
    return sql.SQL(", ").join(
        sql.SQL("{} {}").format(
            sql.Identifier(column.name),
            sql.SQL(
                "text" if column.sql_type == "json" else column.sql_type  # pyright: ignore[reportArgumentType] # the types of table.py
            ),
        )
        for column in columns
    )
