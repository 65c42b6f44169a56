"""Seals and proofs as GraphQL gives them are enough to verify by."""

import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from commands.authorization import Caller
from infra.merkle import is_consistent, leaf_hash, root_of_inclusion
from infra.seal_keys import read_keys
from tests.projections.histories import Stream, an_agent
from tests.read_api.api import Api

HEAD = "head { number size root leafIndex }"
SEAL = "number heads root previous keyId text signature sealedAt after until " + HEAD
SEALS = (
    "query($first: Int, $after: String) { seals(first: $first, after: $after) {"
    " edges { cursor node { " + SEAL + " } } pageInfo { hasNextPage endCursor } } }"
)
INCLUSION = (
    "query($stream: ID!, $version: Int!, $seal: Int) {"
    " inclusionProof(streamId: $stream, version: $version, seal: $seal) {"
    " index record commitment blinding path headPath " + HEAD + " seal { " + SEAL + " } } }"
)
CONSISTENCY = (
    "query($older: Int!, $newer: Int!) { consistencyProof(older: $older, newer: $newer) {"
    " path tenantPath older { " + SEAL + " } newer { " + SEAL + " } } }"
)


async def sealed_agents(api: Api, count: int) -> list[Stream]:
    agents = [an_agent(api.tenant_id) for _ in range(count)]
    await api.record(*agents)
    await api.ledger.seal()
    return agents


async def key(api: Api, key_id: str) -> Ed25519PublicKey:
    return {one.key_id: one.public for one in await read_keys(api.ledger.owner)}[key_id]


def unhex(hashes: list[str]) -> list[bytes]:
    return [bytes.fromhex(one) for one in hashes]


def root_and_size(seal: dict[str, Any]) -> tuple[int, bytes]:
    return seal["heads"], bytes.fromhex(seal["root"])


async def test_seals_are_listed_newest_first_and_each_names_the_one_before(api: Api) -> None:
    for _ in range(3):
        await sealed_agents(api, 2)
    page = (await api.read(SEALS, first=2))["seals"]
    assert page["pageInfo"]["hasNextPage"]
    newest, before = (edge["node"] for edge in page["edges"])
    assert newest["number"] == before["number"] + 1
    assert newest["previous"] == hashlib.sha256(before["text"].encode()).hexdigest()
    signature = bytes.fromhex(newest["signature"])
    (await key(api, newest["keyId"])).verify(signature, newest["text"].encode())
    assert f"root: {newest['root']}\n" in newest["text"]
    assert (newest["head"]["size"], before["head"]["size"]) == (6, 4)
    following = (await api.read(SEALS, first=1, after=page["pageInfo"]["endCursor"]))["seals"]
    assert following["edges"][0]["node"]["head"]["size"] == 2


async def test_an_event_is_proved_down_to_what_it_says(api: Api) -> None:
    agents = await sealed_agents(api, 5)
    stream = str(agents[3].stream_id)
    proof = (await api.read(INCLUSION, stream=stream, version=1))["inclusionProof"]
    record = bytes.fromhex(proof["record"])
    head, seal = proof["head"], proof["seal"]
    tenant_root = root_of_inclusion(
        leaf_hash(record), proof["index"], head["size"], unhex(proof["path"])
    )
    assert tenant_root == bytes.fromhex(head["root"])
    lines = (
        f"agentledger tenant head v1\ntenant: {api.tenant_id}\nseal: {head['number']}\n"
        f"previous: 0\nsize: 5\nroot: {head['root']}\n"
    )
    path = unhex(proof["headPath"])
    size, root = root_and_size(seal)
    assert root_of_inclusion(leaf_hash(lines.encode()), head["leafIndex"], size, path) == root
    content = bytes.fromhex(proof["blinding"]) + agents[3].events[0].state
    assert hashlib.sha256(content).hexdigest() == proof["commitment"]
    assert record.endswith(bytes.fromhex(proof["commitment"]))


async def test_a_seal_is_shown_to_begin_with_an_earlier_one(api: Api) -> None:
    for _ in range(3):
        await sealed_agents(api, 3)
    page = (await api.read(SEALS, first=3))["seals"]["edges"]
    second, first = page[0]["node"]["number"], page[2]["node"]["number"]
    proof = (await api.read(CONSISTENCY, older=first, newer=second))["consistencyProof"]
    older, newer = proof["older"], proof["newer"]
    assert is_consistent(root_and_size(older), root_and_size(newer), unhex(proof["path"]))
    heads = [(one["head"]["size"], bytes.fromhex(one["head"]["root"])) for one in (older, newer)]
    assert is_consistent(heads[0], heads[1], unhex(proof["tenantPath"]))
    assert await api.refused(CONSISTENCY, older=second, newer=first) == "bad_seals"


async def test_what_is_not_sealed_has_no_proof(api: Api) -> None:
    (agent,) = await sealed_agents(api, 1)
    late = an_agent(api.tenant_id)
    await api.record(late)
    for stream, version in ((late.stream_id, 1), (agent.stream_id, 2), (api.tenant_id, 1)):
        found = await api.read(INCLUSION, stream=str(stream), version=version)
        assert found["inclusionProof"] is None
    assert (await api.read(INCLUSION, stream="none", version=1))["inclusionProof"] is None
    missing = await api.read(CONSISTENCY, older=1, newer=1_000_000)
    assert missing["consistencyProof"] is None


async def test_a_tenant_without_events_sees_seals_and_no_head(api: Api) -> None:
    await sealed_agents(api, 1)
    api.callers.known["Bearer other"] = Caller(
        "user:eve", an_agent().tenant_id, frozenset({"audit:read"})
    )
    headers = {"Authorization": "Bearer other"}
    answer = await api.ask(SEALS, headers=headers, first=1)
    (edge,) = answer["data"]["seals"]["edges"]
    assert edge["node"]["head"] is None


async def test_a_cursor_that_is_none_is_refused(api: Api) -> None:
    for cursor in ("", "!", "LTE", "OTk5OTk5OTk5OTk5"):
        assert await api.refused(SEALS, after=cursor) == "bad_cursor"
