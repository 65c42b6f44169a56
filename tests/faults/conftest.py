"""An installation with a tenant and its workflows, copied for each test that breaks it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.conftest import copy_database, database_url_of
from tests.end_to_end.stack import CHEAP_HASHING
from tests.faults.broken import Broken
from tests.faults.effect_server import effect_server
from tests.faults.load import Client, a_parent, workflows_of
from tests.faults.processes import Installation
from tests.ports import free_port

OPERATOR_KEY = "op_faults"
WAIT_S = 60.0
PARTITIONS = 4
LEASE_TTL_S = 1.0
# Of which each run that asks a model tells once.
BUDGET = {
    "scope": {"type": "run"},
    "period": "run",
    "limit_usd": "1",
    "mode": "hard",
    "notify_at": [0.0000001],
}
ADMIN = {"email": "admin@example.com", "password": "a long enough password"}


@dataclass(frozen=True)
class Seed:
    """database: migrated, with a tenant and workflows whose effects go to effects_port."""

    database: str
    effects_port: int
    api_key: str
    workflows: dict[str, str]


def environment_of(database_url: str, master_key: str, effects_port: int) -> dict[str, str]:
    return {
        "AGENTLEDGER_DATABASE_URL": database_url,
        "AGENTLEDGER_MASTER_KEY": master_key,
        "AGENTLEDGER_OPERATOR_KEY": OPERATOR_KEY,
        "AGENTLEDGER_PORT": str(free_port()),
        "AGENTLEDGER_HTTP_ALLOW": f"127.0.0.1:{effects_port}",
        **CHEAP_HASHING,
        "AGENTLEDGER_LOG_PARTITIONS": str(PARTITIONS),
        "AGENTLEDGER_LEASE_TTL_S": str(LEASE_TTL_S),
        "AGENTLEDGER_WORKER_SWEEP_S": "1",
        "AGENTLEDGER_WORKER_BULK_POLL_S": "0.2",
        "AGENTLEDGER_WORKER_BUDGET_ALERTS_POLL_S": "0.1",
        "AGENTLEDGER_CONSUMER_RESTART_MAX_S": "1",
        "AGENTLEDGER_RATE_LIMIT_IP_PER_MIN": "1000000",
    }


async def planted(client: Client, effects_port: int) -> None:
    """A tenant, whose key the client uses from now on, and its workflows."""
    tenant = await client.post(
        "/tenants", {"name": "Faults", "admin": ADMIN}, **{"X-Operator-Key": OPERATOR_KEY}
    )
    client.api_key = str(tenant["api_key"])
    definitions = workflows_of(effects_port)
    for name in (*definitions, "parent"):
        # A parent names a workflow that has to exist before.
        definition = definitions.get(name) or a_parent(client.workflows["child"])
        made = await client.post("/workflows", {"name": name, "definition": definition})
        client.workflows[name] = str(made["workflow_id"])
    await client.post("/budgets", BUDGET)


@pytest.fixture(scope="module")
def seed(
    postgres_url: str, database_url: str, master_key: str, tmp_path_factory: pytest.TempPathFactory
) -> Seed:
    effects_port = free_port()
    environment = environment_of(database_url, master_key, effects_port)
    installation = Installation(environment, tmp_path_factory.mktemp("seed"))
    client = Client(f"http://127.0.0.1:{environment['AGENTLEDGER_PORT']}", WAIT_S)

    async def plant() -> None:
        process = installation.start("all")
        await planted(client, effects_port)
        process.ask_to_stop()
        assert await process.ended(wait_s=WAIT_S) == 0

    try:
        with ThreadPoolExecutor(1) as thread:  # The loop of the tests is not ours to replace.
            thread.submit(asyncio.run, plant()).result()
    except BaseException:
        print(installation.said())
        raise
    finally:
        installation.end()
    database = conninfo_to_dict(database_url)["dbname"]
    return Seed(str(database), effects_port, client.api_key, client.workflows)


@pytest.fixture
def database_of_its_own(postgres_url: str) -> Iterator[Callable[[str], str]]:
    """Copies a database; the URL of the copy."""
    copies: list[str] = []

    def copy(template: str) -> str:
        copies.append(f"faults_{uuid.uuid4().hex}")
        copy_database(postgres_url, template, copies[-1])
        return database_url_of(postgres_url, copies[-1])

    yield copy
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        for name in map(sql.Identifier, copies):
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture
async def on_postgres(
    seed: Seed, master_key: str, database_of_its_own: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[Broken]:
    """An installation whose log is PostgreSQL."""
    url = database_of_its_own(seed.database)
    environment = environment_of(url, master_key, seed.effects_port)
    async with effect_server(seed.effects_port) as effects:
        broken = Broken(Installation(environment, tmp_path), a_client(seed, environment), effects)
        yield broken
        broken.installation.end()


@pytest.fixture
async def on_kafka(on_postgres: Broken, kafka_bootstrap: str) -> Broken:
    """The same on Kafka, with a topic of its own."""
    use_kafka(on_postgres, kafka_bootstrap)
    return on_postgres


@pytest.fixture(params=["postgres", pytest.param("kafka", marks=pytest.mark.slow)])
def on_either(request: pytest.FixtureRequest, on_postgres: Broken) -> Broken:
    """On one log after the other. For what works with the database and does not look at the log,
    `make test` is content with the first.
    """
    if request.param == "kafka":
        use_kafka(on_postgres, request.getfixturevalue("kafka_bootstrap"))
    return on_postgres


def use_kafka(broken: Broken, bootstrap_servers: str) -> None:
    broken.installation.environment = {
        **broken.installation.environment,
        "AGENTLEDGER_KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "AGENTLEDGER_KAFKA_TOPIC": f"faults.{uuid.uuid4().hex}",
    }


def a_client(seed: Seed, environment: dict[str, str]) -> Client:
    url = f"http://127.0.0.1:{environment['AGENTLEDGER_PORT']}"
    return Client(url, WAIT_S, seed.api_key, dict(seed.workflows))
