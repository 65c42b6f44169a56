"""A tenant is erased by destroying its key, a person by destroying theirs: nothing that was ever
stored of them can be read.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from psycopg import AsyncConnection, sql

from tests.end_to_end.conftest import OPERATOR_KEY
from tests.end_to_end.stack import Api, Stack
from tests.end_to_end.stories import question_workflow
from tests.plain_http import NO_AUTHORITIES
from tests.ports import free_port

MASTER_KEY = "a master key of the tests, thirty-two bytes or more"
CANARY = "grzimek-canary-of-the-erased"
KEPT = "canary-of-the-neighbour"
PERSON = "marlin-canary-of-a-person"
SUBJECT = "nemo-canary-of-a-customer"
WAIT_S = 60
TABLES = (
    "SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.relkind = 'r'"
    " AND c.relnamespace = 'agentledger'::regnamespace"
)


@pytest.fixture
def stack(database_url: str, tmp_path: Path) -> Iterator[Stack]:
    port = free_port()
    stack = Stack(
        f"http://127.0.0.1:{port}",
        {
            "AGENTLEDGER_DATABASE_URL": database_url,
            "AGENTLEDGER_DATA_DIR": str(tmp_path / "data"),
            "AGENTLEDGER_MASTER_KEY": MASTER_KEY,
            "AGENTLEDGER_OPERATOR_KEY": OPERATOR_KEY,
            "AGENTLEDGER_SNAPSHOT_EVERY": "5",
        },
        tmp_path,
    )
    stack.add("up", "up", "--port", str(port))
    try:
        stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncConnection]:
    async with await AsyncConnection.connect(
        database_url, autocommit=True, options="-c search_path=agentledger,pg_catalog"
    ) as conn:
        yield conn


async def a_tenant_with(stack: Stack, word: str) -> tuple[str, Api, str]:
    """A tenant whose every input holds a word: its id, a client, an execution that ended."""
    body = {
        "name": word,
        "admin": {"email": f"{word}@example.com", "password": f"{word} as a password"},
    }
    answer = httpx.post(
        f"{stack.url}/api/v1/tenants",
        json=body,
        headers={"X-Operator-Key": OPERATOR_KEY},
        timeout=WAIT_S,
        verify=NO_AUTHORITIES,
    )
    made: dict[str, Any] = answer.json()["data"]
    api = Api(stack.url, str(made["api_key"]))
    workflow = {**question_workflow(), "name": f"workflow {word}"}
    workflow_id = (await api.post("/workflows", workflow))["workflow_id"]
    path = f"/workflows/{workflow_id}/execute?wait_s=30"
    # One small, and one so large that it lies beside its event.
    small = await api.post(path, {"input": {"question": word}}, **{"Idempotency-Key": word})
    await api.post(path, {"input": {"question": word * 4000}})
    waiting = {
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "wait", "type": "approval", "config": {"title": word}},
            {"id": "end", "type": "end"},
        ],
        "edges": [
            {"from": "start", "to": "wait"},
            {"from": "wait", "port": "approved", "to": "end"},
        ],
    }
    waits = await api.post("/workflows", {"name": word, "definition": waiting})
    await api.post(f"/workflows/{waits['workflow_id']}/execute", {"input": {"question": word}})
    await api.execution_at_end(str(small["execution_id"]))
    return str(made["tenant_id"]), api, str(small["execution_id"])


async def a_person_with(api: Api, word: str) -> str:
    """Somebody who was invited, came with a browser of that name, and has a secret."""
    body = {"email": f"{word}@example.com", "role": "USER", "name": word}
    invited = await api.post("/users", body)
    password = "one that nobody would think of 4"
    accept = {"token": invited["invitation_token"], "password": password}
    await api.post("/auth/invitations/accept", accept)
    login = {"email": f"{word}@example.com", "password": password}
    logged_in = await api.http.post(
        "/api/v1/auth/login", json=login, headers={"User-Agent": word, "Authorization": ""}
    )
    token = logged_in.json()["data"]["access_token"]
    secret = await api.http.put(
        "/api/v1/secrets/mine",
        json={"value": word, "scope": "user"},
        headers={"Authorization": f"Bearer {token}", "User-Agent": word},
    )
    assert secret.status_code == 200, secret.text
    return str(invited["user_id"])


async def runs_of_a_subject(api: Api, word: str) -> list[str]:
    """One that ended, with something large; and one that waits."""
    named = {"input": {"question": word * 4000}, "data_subject": word}
    workflow_id = (await api.post("/workflows", question_workflow()))["workflow_id"]
    ended = await api.post(f"/workflows/{workflow_id}/execute?wait_s=30", named)
    nodes = [
        {"id": "start", "type": "start"},
        {"id": "wait", "type": "signal", "config": {"name": "go"}},
        {"id": "end", "type": "end"},
    ]
    edges = [{"from": "start", "to": "wait"}, {"from": "wait", "to": "end"}]
    waiting = await api.post(
        "/workflows", {"name": "waits", "definition": {"nodes": nodes, "edges": edges}}
    )
    path = f"/workflows/{waiting['workflow_id']}/execute"
    waits = await api.post(path, named)
    return [str(ended["execution_id"]), str(waits["execution_id"])]


GONE = """query($user: ID!, $ended: ID!, $waits: ID!) {
  user(id: $user) { email name erasedAt }
  sessions(first: 1) { edges { node { client endReason } } }
  ended: execution(id: $ended) { status input output dataSubject erasedAt }
  waits: execution(id: $waits) { status error erasedAt }
}"""


async def erased_persons(stack: Stack, owner: AsyncConnection, api: Api) -> dict[str, Any]:
    """A person and a data subject of a tenant that stays, as they are seen afterwards."""
    user_id = await a_person_with(api, PERSON)
    ended, waits = await runs_of_a_subject(api, SUBJECT)
    for word in (PERSON, SUBJECT):
        async with asyncio.timeout(WAIT_S):
            while not await tables_with(owner, word):
                await asyncio.sleep(0.1)
    await api.post(f"/users/{user_id}/erase", {"confirm_email": f"{PERSON}@example.com"})
    await api.post("/data-subjects/erase", {"data_subject": SUBJECT})
    async with asyncio.timeout(WAIT_S):
        while True:
            told = await api.query(GONE, user=user_id, ended=ended, waits=waits)
            if all(told[name]["erasedAt"] for name in ("user", "ended", "waits")):
                return told
            await asyncio.sleep(0.1)


async def tables_with(owner: AsyncConnection, word: str) -> set[str]:
    found: set[str] = set()
    for (table,) in await (await owner.execute(TABLES)).fetchall():
        query = sql.SQL("SELECT 1 FROM {} AS t WHERE t::text LIKE ANY(%s) LIMIT 1").format(
            sql.Identifier(*table.split("."))
        )
        patterns = [f"%{word}%", f"%{word.encode().hex()}%"]
        if await (await owner.execute(query, (patterns,))).fetchone():
            found.add(table)
    return found


async def test_of_an_erased_tenant_nothing_can_be_read_and_everything_else_holds(
    stack: Stack, owner: AsyncConnection
) -> None:
    tenant_id, erased, execution_id = await a_tenant_with(stack, CANARY)
    _, neighbour, kept_id = await a_tenant_with(stack, KEPT)
    assert "workflows_v1" in {name.split(".")[-1] for name in await tables_with(owner, CANARY)}
    kept = await neighbour.execution_at_end(kept_id)
    told = await erased_persons(stack, owner, neighbour)
    assert (told["user"]["email"], told["user"]["name"]) == (None, None)
    (session,) = told["sessions"]["edges"]
    assert session["node"] == {"client": None, "endReason": "erased"}
    assert told["ended"]["status"] == "COMPLETED"
    assert {told["ended"][name] for name in ("input", "output", "dataSubject")} == {None}
    assert told["waits"]["status"] == "FAILED"
    assert told["waits"]["error"]["code"] == "data_subject_erased"

    ran = stack.run("tenants", "erase", tenant_id, "--yes", "--json")
    assert ran.returncode == 0, ran.stderr
    assert orjson.loads(ran.stdout)["removed_rows"] > 0

    async with asyncio.timeout(WAIT_S):
        while (await erased.http.get(f"/api/v1/blobs/{'0' * 64}")).status_code != 401:
            await asyncio.sleep(0.1)
    assert await tables_with(owner, CANARY) == set()
    assert stack.verify()["ok"] is True
    rebuilt = stack.run("rebuild", "all", "--json")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert all(one["parked_count"] == 0 for one in orjson.loads(rebuilt.stdout)["rebuilt"])
    assert stack.verify()["ok"] is True
    for word in (CANARY, PERSON, SUBJECT):
        assert await tables_with(owner, word) == set()
        assert word not in stack.outputs()
    replayed = stack.run("replay", "--stream", execution_id)
    assert replayed.returncode == 1
    assert "erased" in replayed.stderr

    assert await neighbour.execution_at_end(kept_id) == kept
    again = stack.run("tenants", "erase", tenant_id, "--yes")
    assert again.returncode == 0, again.stderr
    assert (await require_proof(owner, tenant_id))[0] == "operator"
    ledger = stack.run("erasures", "list")
    listed = [orjson.loads(line)["tenant_id"] for line in ledger.stdout.splitlines()]
    assert (len(listed), listed.count(tenant_id)) == (3, 1)
    await erased.http.aclose()
    await neighbour.http.aclose()


async def require_proof(owner: AsyncConnection, tenant_id: str) -> tuple[str]:
    """Who destroyed the key, as the log says for ever."""
    cursor = await owner.execute(
        "SELECT actor FROM events WHERE topic = 'tenant.key_destroyed' AND tenant_id = %s"
        " AND convert_from(state, 'UTF8')::json->>'key_id' = %s",
        (tenant_id, tenant_id),
    )
    (proof,) = await cursor.fetchall()
    return proof
