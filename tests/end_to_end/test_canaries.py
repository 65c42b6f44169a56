"""A word that stands nowhere else, through every way in; then a search of every place where bytes
come to lie. Each is found only where it may be, and secrets nowhere.
"""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from psycopg import sql

from tests.end_to_end.stack import Api, Stack, contents, new_tenant
from tests.end_to_end.surface import INTROSPECTION, Fields
from tests.plain_http import NO_AUTHORITIES
from tests.ports import free_port

pytestmark = pytest.mark.timeout(600)

OPERATOR_KEY = "op_canaries_of_the_end_to_end_tests"
MASTER_KEY = "a master key of the tests, thirty-two bytes or more"
PARTITIONS = 2

# Where each kind of word may lie in the clear. Read models hold what tenants look at; they are
# derived from sealed events, and go with the tenant. A place that is not here may hold no word.
READ_MODELS = re.compile(r"table agentledger\.\w+_v\d+")
ALLOWED: dict[str, re.Pattern[str]] = {
    # What a tenant writes and reads again.
    "content": READ_MODELS,
    # Nowhere at all.
    "secret": re.compile("(?!)"),
}


@dataclass(frozen=True)
class Canary:
    word: str
    way_in: str
    kind: str

    def spellings(self) -> list[bytes]:
        """As text, as PostgreSQL shows bytes, and as base64 of wherever it begins."""
        raw = self.word.encode()
        encoded = [base64.b64encode(b"x" * shift + raw)[4:-4] for shift in range(3)]
        return [raw, raw.hex().encode(), *encoded]


class Flock:
    def __init__(self) -> None:
        self.canaries: list[Canary] = []

    def word(self, way_in: str, kind: str = "content") -> str:
        canary = Canary(f"canary{uuid4().hex}", way_in, kind)
        self.canaries.append(canary)
        return canary.word

    def found_in(self, place: str, content: bytes) -> Iterator[str]:
        for canary in self.canaries:
            if any(spelling in content for spelling in canary.spellings()):
                yield f"{canary.kind} of {canary.way_in} in {place}"

    def wrong(self, place: str, content: bytes) -> list[str]:
        return [
            found
            for canary in self.canaries
            if not ALLOWED[canary.kind].fullmatch(place)
            for found in Flock.of(canary).found_in(place, content)
        ]

    @staticmethod
    def of(canary: Canary) -> "Flock":
        flock = Flock()
        flock.canaries = [canary]
        return flock


@pytest.fixture(scope="module")
def stack(
    database_url: str, kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Everything in one process, on a database and a Kafka that the test can look into."""
    port = free_port()
    directory = tmp_path_factory.mktemp("canaries")
    stack = Stack(
        f"http://127.0.0.1:{port}",
        {
            "AGENTLEDGER_DATA_DIR": str(directory / "data"),
            "AGENTLEDGER_DATABASE_URL": database_url,
            "AGENTLEDGER_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
            "AGENTLEDGER_KAFKA_TOPIC": f"agentledger.canaries.{port}",
            "AGENTLEDGER_LOG_PARTITIONS": str(PARTITIONS),
            "AGENTLEDGER_MASTER_KEY": MASTER_KEY,
            "AGENTLEDGER_OPERATOR_KEY": OPERATOR_KEY,
        },
        directory,
    )
    stack.add("up", "up", "--port", str(port))
    try:
        stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
async def other(stack: Stack) -> AsyncIterator[Api]:
    client = Api(stack.url, new_tenant(stack.url, OPERATOR_KEY, "Other"))
    yield client
    await client.http.aclose()


async def tenant_of(stack: Stack, flock: Flock) -> tuple[Api, str]:
    body = {
        "name": flock.word("name of the tenant"),
        "admin": {
            "email": f"{flock.word('email of the administrator')}@example.com",
            "password": flock.word("password of the administrator", "secret"),
        },
    }
    async with httpx.AsyncClient(base_url=stack.url, timeout=30, verify=NO_AUTHORITIES) as http:
        headers = {"X-Operator-Key": OPERATOR_KEY}
        answer = await http.post("/api/v1/tenants", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    data = answer.json()["data"]
    flock.canaries.append(Canary(data["api_key"].rsplit("_", 1)[1], "API key", "secret"))
    return Api(stack.url, data["api_key"]), data["tenant_id"]


def definition(flock: Flock) -> dict[str, Any]:
    """A run that meets every kind of input, and ends after a signal and a decision."""
    word = flock.word
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            {
                "id": "draft",
                "type": "llm",
                "config": {
                    "model": "offline/echo",
                    "system": word("system prompt"),
                    "prompt": word("prompt") + " {{ input.question }}",
                },
            },
            {"id": "paid", "type": "signal", "config": {"name": "paid"}},
            {"id": "ok", "type": "approval", "config": {"title": word("title of an approval")}},
            {"id": "kept", "type": "set", "config": {"values": {"big": "{{ input.big }}"}}},
            {
                "id": "end",
                "type": "end",
                "config": {"output": {"said": "{{ nodes.draft.output.text }}"}},
            },
        ],
        "edges": [
            {"from": "start", "to": "draft"},
            {"from": "draft", "to": "paid"},
            {"from": "paid", "to": "ok"},
            {"from": "ok", "port": "approved", "to": "kept"},
            {"from": "kept", "to": "end"},
        ],
    }


async def live(api: Api, flock: Flock) -> str:
    """Every way in that a program has; returns the id of the run, which has ended."""
    word = flock.word
    agent = {
        "name": word("name of an agent"),
        "role": word("role of an agent"),
        "model": "offline/echo",
        "instructions": word("instructions"),
    }
    made = await api.post("/agents", agent)
    await api.post(
        f"/agents/{made['agent_id']}/execute?wait_s=30", {"input": word("input of an agent")}
    )
    await api.post("/api-keys", {"name": word("name of an API key"), "scopes": ["read"]})
    secret = {"value": word("secret", "secret")}
    answer = await api.http.put(f"/api/v1/secrets/{word('name of a secret')}", json=secret)
    assert answer.is_success, answer.text
    workflow = await api.post(
        "/workflows",
        {
            "name": word("name of a workflow"),
            "description": word("description"),
            "definition": definition(flock),
        },
    )
    run = await api.post(
        f"/workflows/{workflow['workflow_id']}/execute",
        {"input": {"question": word("input"), "big": word("large input") + "x" * 70_000}},
        **{
            "Idempotency-Key": word("idempotency key", "secret"),
            "User-Agent": word("user agent", "secret"),
        },
    )
    path = f"/executions/{run['execution_id']}"
    await api.post(f"{path}/signals/paid", {"payload": {"paid": word("payload of a signal")}})
    await decide(api, f"{path}/approvals/ok", word("comment"))
    ended = await api.execution_at_end(run["execution_id"])
    assert ended["status"] == "COMPLETED", ended
    await refusals(api, flock)
    return run["execution_id"]


async def decide(api: Api, path: str, comment: str) -> None:
    """As soon as somebody is asked."""
    body = {"decision": "approve", "comment": comment}
    async with asyncio.timeout(60):
        while not (await api.http.post(f"/api/v1{path}", json=body)).is_success:
            await asyncio.sleep(0.05)


async def refusals(api: Api, flock: Flock) -> None:
    """What is sent and not taken must not come to lie anywhere either."""
    word = flock.word
    refused: list[tuple[str, str, Any, dict[str, str]]] = [
        ("POST", "/agents", {"name": word("refused body", "secret")}, {}),
        ("POST", "/agents", {word("unknown member", "secret"): 1}, {}),
        ("GET", f"/blobs/{word('refused path', 'secret')}", None, {}),
        ("POST", "/agents", {}, {"Authorization": f"Bearer al_{word('wrong key', 'secret')}"}),
        ("POST", "/agents", {}, {"X-Operator-Key": word("wrong operator key", "secret")}),
        ("POST", "/agents", {}, {"Cookie": word("cookie", "secret")}),
        ("POST", f"/agents?token={word('query', 'secret')}", {}, {}),
    ]
    for method, path, body, headers in refused:
        answer = await api.http.request(method, f"/api/v1{path}", json=body, headers=headers)
        assert answer.is_client_error, (path, answer.text)
    query = f'{{ execution(id: "{word("refused query", "secret")}") {{ nothing }} }}'
    assert "errors" in (await api.http.post("/graphql", json={"query": query})).json()


# The places.


async def tables(database_url: str) -> dict[str, bytes]:
    """Every table of the database, as a dump has it."""
    found: dict[str, bytes] = {}
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        names = await conn.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT LIKE 'pg\\_%'"
            " AND schemaname <> 'information_schema'"
        )
        for schema, table in await names.fetchall():
            statement = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(schema, table))
            async with conn.cursor().copy(statement) as copy:
                found[f"table {schema}.{table}"] = b"".join([bytes(block) async for block in copy])
    return found


async def records(bootstrap: str, topic: str) -> bytes:
    """The topic from its beginning, keys and headers too. Not the segments of the broker: those
    are compressed, so that a word in them would not be found.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        found: list[bytes] = []
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                for record in batch:
                    headers = [value or b"" for _, value in record.headers]
                    found += [record.key or b"", record.value or b"", *headers]
    finally:
        await consumer.stop()
    assert found, "there is nothing in the topic"
    return b"\n".join(found)


def files(stack: Stack) -> dict[str, bytes]:
    """What the process wrote: its output, and its data directory."""
    return {
        f"file {path.relative_to(stack.directory)}": content
        for path, content in contents(stack.directory)
    }


async def answers_to(other: Api) -> dict[str, bytes]:
    """Everything that another tenant may ask for, and what anybody may."""
    found: dict[str, bytes] = {}
    told = (await other.http.post("/graphql", json={"query": INTROSPECTION})).json()
    for name, query in Fields(told["data"]["__schema"]).queries([str(uuid4())]):
        answer = await other.http.post("/graphql", json={"query": query})
        found[f"answer to another tenant: {name}"] = answer.content
    for path in ("/metrics", "/readyz", "/openapi.json", "/api/v1/audit/export"):
        found[f"answer to another tenant: {path}"] = (await other.http.get(path)).content
    return found


async def places(stack: Stack, database_url: str, other: Api) -> dict[str, bytes]:
    environment = stack.environment
    topic = environment["AGENTLEDGER_KAFKA_TOPIC"]
    return {
        **await tables(database_url),
        "kafka": await records(environment["AGENTLEDGER_KAFKA_BOOTSTRAP_SERVERS"], topic),
        **await answers_to(other),
        **files(stack),
    }


async def test_every_word_lies_only_where_it_may(
    stack: Stack, database_url: str, other: Api
) -> None:
    flock = Flock()
    api, _ = await tenant_of(stack, flock)
    async with api.http:
        await live(api, flock)
    found = await places(stack, database_url, other)
    wrong = [one for place, content in found.items() for one in flock.wrong(place, content)]
    assert wrong == []
    clear = {place for place, content in found.items() if list(flock.found_in(place, content))}
    assert len(clear) >= 4, "the words must have been somewhere: read models hold them"


async def test_after_a_tenant_is_erased_no_word_of_it_is_readable_anywhere(
    stack: Stack, database_url: str, other: Api
) -> None:
    flock, kept = Flock(), Flock()
    api, tenant_id = await tenant_of(stack, flock)
    neighbour, _ = await tenant_of(stack, kept)
    async with api.http, neighbour.http:
        await live(api, flock)
        await live(neighbour, kept)
        erased = stack.run("tenants", "erase", tenant_id, "--yes")
        assert erased.returncode == 0, erased.stderr
        assert (await api.http.post("/api/v1/agents", json={})).status_code == 401
    found = await places(stack, database_url, other)
    left = [one for place, content in found.items() for one in flock.found_in(place, content)]
    assert left == []
    others = [one for place, content in found.items() for one in kept.found_in(place, content)]
    assert others != [], "who was not erased is there as before"


@pytest.mark.parametrize("shift", range(3))
def test_the_search_finds_a_word_however_it_is_written(shift: int) -> None:
    flock = Flock()
    word = flock.word("anything", "secret").encode()
    text = b"?" * shift + word + b"and more"
    for written in (text, text.hex().encode(), base64.b64encode(text)):
        assert flock.wrong("file x", b"<" + written + b">") == ["secret of anything in file x"]
    assert flock.wrong("file x", b"canary" + uuid4().hex.encode()) == []
