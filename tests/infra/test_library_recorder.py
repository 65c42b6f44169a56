"""The library's own contract tests, run on our recorder, as its users would configure it."""

from collections.abc import Iterator
from typing import Any, ClassVar
from unittest import TestCase

import psycopg
import pytest
from eventsourcing.persistence import AggregateRecorder, ApplicationRecorder
from eventsourcing.postgres import PostgresDatastore
from eventsourcing.tests.persistence import AggregateRecorderTestCase, ApplicationRecorderTestCase
from eventsourcing.utils import Environment
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from infra.persistence import Factory, LedgerAggregateRecorder, LedgerRecorder
from tests.infra.log_steps import IDS


@pytest.fixture(scope="class")
def library_database(request: pytest.FixtureRequest, database_url: str) -> Iterator[None]:
    """The library's classes are unittest cases: they find their database on the class."""
    database = sql.Identifier(str(conninfo_to_dict(database_url)["dbname"]))
    # The library knows no tenants; the session says which one its events belong to.
    bind = sql.SQL("ALTER DATABASE {} SET app.tenant_id = {}").format(database, str(IDS.new()))
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(bind)
    assert request.cls is not None
    request.cls.database_url = database_url
    yield
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(sql.SQL("ALTER DATABASE {} RESET app.tenant_id").format(database))


class OnTheLedger(TestCase):
    database_url: ClassVar[str]
    datastore: PostgresDatastore

    def setUp(self) -> None:
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            conn.execute("TRUNCATE agentledger.events RESTART IDENTITY")
        parts = conninfo_to_dict(self.database_url)
        self.datastore = PostgresDatastore(
            dbname=str(parts["dbname"]),
            host=str(parts["host"]),
            port=str(parts["port"]),
            user=str(parts["user"]),
            password="",
            schema="agentledger",
        )
        super().setUp()

    def tearDown(self) -> None:
        super().tearDown()
        self.datastore.close()


@pytest.mark.usefixtures("library_database")
class TestAggregateRecorder(OnTheLedger, AggregateRecorderTestCase):
    """insert_events and select_events."""

    def create_recorder(self) -> AggregateRecorder:
        recorder = LedgerAggregateRecorder(self.datastore)
        recorder.create_table()
        return recorder


@pytest.mark.usefixtures("library_database")
class TestApplicationRecorder(OnTheLedger, ApplicationRecorderTestCase):
    """Notifications, concurrency, subscriptions."""

    def create_recorder(self) -> ApplicationRecorder:
        recorder = LedgerRecorder(self.datastore)
        recorder.create_table()
        return recorder


def test_the_factory_is_what_the_librarys_extension_point_builds(database_url: str) -> None:
    parts: dict[str, Any] = conninfo_to_dict(database_url)
    environment = Environment(
        "Ledger",
        {
            "PERSISTENCE_MODULE": "infra.persistence",
            "POSTGRES_DBNAME": parts["dbname"],
            "POSTGRES_HOST": parts["host"],
            "POSTGRES_PORT": parts["port"],
            "POSTGRES_USER": parts["user"],
            "POSTGRES_PASSWORD": "unused",
            "POSTGRES_SCHEMA": "agentledger",
            "CREATE_TABLE": "n",
        },
    )
    with Factory.construct(environment) as factory:
        assert isinstance(factory, Factory)
        assert isinstance(factory.application_recorder(), LedgerRecorder)
