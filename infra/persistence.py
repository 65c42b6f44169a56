"""The `eventsourcing` library's extension point: PERSISTENCE_MODULE=infra.persistence gives its
applications our log.

The library's recorder takes an EXCLUSIVE table lock and a NOTIFY inside every append, so that one
transaction commits at a time. Ours takes neither: commit order comes from transaction ids
(infra/event_log.py). It writes through plain inserts and is meant for tools and for the library's
contract tests; the product appends through infra/group_commit.py.
"""

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import (
    PostgresAggregateRecorder,
    PostgresApplicationRecorder,
    PostgresDatastore,
    PostgresFactory,
    PostgresProcessRecorder,
)
from psycopg.sql import SQL, Composed, Identifier

EVENTS_TABLE = "events"


class LedgerAggregateRecorder(PostgresAggregateRecorder):
    """Streams only, for applications that do not follow the log."""

    def __init__(
        self, datastore: PostgresDatastore, *, events_table_name: str = EVENTS_TABLE
    ) -> None:
        super().__init__(datastore, events_table_name=events_table_name)
        self.sql_create_statements[self.create_table_statement_index] = Composed([SQL("SELECT")])


class LedgerRecorder(PostgresApplicationRecorder):
    """Application recorder on the ledger's `events` table, which a migration made; the tenant comes
    from the session.
    """

    def __init__(
        self, datastore: PostgresDatastore, *, events_table_name: str = EVENTS_TABLE
    ) -> None:
        super().__init__(datastore, events_table_name=events_table_name)
        _use_migrated_table(self)

    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        **kwargs: Any,  # the library's signature
    ) -> Sequence[int] | None:
        notification_ids = super().insert_events(stored_events, **kwargs)
        _notify(self)
        return notification_ids

    def _notify_channel(self, curs: object) -> None:
        """Not inside the transaction: there it would serialise commits."""


class LedgerProcessRecorder(PostgresProcessRecorder):
    """The same with the library's tracking table, for its event-processing applications."""

    def __init__(
        self,
        datastore: PostgresDatastore,
        *,
        events_table_name: str = EVENTS_TABLE,
        tracking_table_name: str = "notification_tracking",
    ) -> None:
        super().__init__(
            datastore, events_table_name=events_table_name, tracking_table_name=tracking_table_name
        )
        _use_migrated_table(self)

    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        **kwargs: Any,  # the library's signature
    ) -> Sequence[int] | None:
        notification_ids = super().insert_events(stored_events, **kwargs)
        _notify(self)
        return notification_ids

    def _notify_channel(self, curs: object) -> None:
        """Not inside the transaction: there it would serialise commits."""


class Factory(PostgresFactory):
    """What the library builds when PERSISTENCE_MODULE names this module."""

    aggregate_recorder_class = LedgerAggregateRecorder
    application_recorder_class = LedgerRecorder
    process_recorder_class = LedgerProcessRecorder


def _use_migrated_table(recorder: PostgresApplicationRecorder) -> None:
    """No lock, and no table or function of the library's own making; its composite type is all it
    needs.
    """
    recorder.lock_table_statements = []
    for index in sorted(
        (recorder.create_table_statement_index, recorder.create_insert_function_statement_index),
        reverse=True,
    ):
        recorder.sql_create_statements[index] = Composed([SQL("SELECT")])
    recorder.sql_create_statements = [
        statement
        for statement in recorder.sql_create_statements
        if "CREATE UNIQUE INDEX" not in statement.as_string()
    ]


def _notify(recorder: PostgresApplicationRecorder) -> None:
    with recorder.datastore.get_connection() as conn:
        conn.execute(SQL("NOTIFY {0}").format(Identifier(recorder.channel_name)))
