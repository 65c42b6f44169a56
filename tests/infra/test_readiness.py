"""Whether a process can serve: it says what is wrong, and stops being ready before it stops."""

from collections.abc import Sequence

import psycopg

from infra.embedded_postgres import EmbeddedPostgres
from infra.postgres import Database
from infra.readiness import Check, Readiness, SchemaChecks


async def current() -> Sequence[str]:
    return ()


def failing(document: object) -> list[str]:
    assert isinstance(document, dict)
    return [check["name"] for check in document["checks"] if not check["is_ok"]]


async def test_a_process_that_was_told_to_stop_is_not_ready_while_it_still_answers() -> None:
    readiness = Readiness()
    assert (await readiness.document())[0]
    readiness.is_draining = True
    is_ready, document = await readiness.document()
    assert (is_ready, document["status"], failing(document)) == (False, "not_ready", ["draining"])


async def test_what_is_asked_later_is_asked_too() -> None:
    readiness = Readiness()

    async def down() -> Sequence[Check]:
        return [Check("log executions", is_ok=False, detail="Kafka does not answer")]

    readiness.add(down)
    assert failing((await readiness.document())[1]) == ["log executions"]


async def test_while_postgresql_is_stopped_nothing_is_ready_and_afterwards_it_is_again(
    postgres_server: EmbeddedPostgres, database_url: str
) -> None:
    database = Database(database_url, pool_size_max=2, checkout_timeout_s=1)
    await database.open()
    readiness, schema = Readiness(), SchemaChecks(database, current)
    assert (await readiness.document(schema))[0]
    postgres_server.stop()
    try:
        assert failing((await readiness.document(schema))[1]) == ["database"]
    finally:
        postgres_server.start()
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    await database.close()
    again = Database(database_url, pool_size_max=2)
    await again.open()
    assert (await readiness.document(SchemaChecks(again, current)))[0]
    await again.close()


async def test_a_schema_that_is_behind_is_named(database_url: str) -> None:
    database = Database(database_url, pool_size_max=2)
    await database.open()

    async def behind() -> Sequence[str]:
        return ["0099_more.sql"]

    _, document = await Readiness().document(SchemaChecks(database, behind))
    await database.close()
    assert failing(document) == ["migrations"]
