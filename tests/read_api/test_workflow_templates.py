"""Templates as GraphQL lists and compares them: one's own tenant's, and the platform's."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from commands.authorization import Caller
from commands.embedding_port import (
    EmbeddingFailed,
    EmbeddingHeldUp,
    EmbeddingRefused,
    EmbeddingUnpriced,
)
from domain.errors import DomainError
from domain.identifiers import PLATFORM, Json, TenantId
from domain.workflows import Workflow
from infra.models.offline_embeddings import HASH, hashed
from infra.workflow_templates import template_text, vector_text
from tests.projections.histories import Stream, a_tenant, workflow_content
from tests.read_api.api import KEY, Api

SIMILAR = """query($text: String, $id: ID, $first: Int) {
  similarWorkflows(text: $text, workflowId: $id, first: $first) {
    score model template { id owner name description version definition } } }"""
LISTED = "query($owner: TemplateOwner) { workflowTemplates(owner: $owner) { id owner name } }"
INSERT = (
    "INSERT INTO templates (tenant_id, workflow_id, workflow_version, embedded_version, model,"
    " embedding) VALUES (%s, %s, 1, 1, %s, vector_of(%s))"
)


async def a_template(
    api: Api,
    name: str,
    tenant_id: TenantId | None = None,
    *,
    model: str = HASH,
    **changes: Json,
) -> UUID:
    """With the row that a command writes, and the embedding that a worker makes."""
    owner = tenant_id or api.tenant_id
    stream = Stream(Workflow, owner)
    content = {**workflow_content("v1"), "is_public": True, "name": name, **changes}
    stream.happens(Workflow.Created, **content)
    await api.happened(stream)
    text = template_text(name, content["description"], content["definition"])
    vector = vector_text(hashed(text))
    await api.ledger.owner.execute(INSERT, (owner, stream.stream_id, model, vector))
    return stream.stream_id


async def similar(api: Api, **asked: Json) -> list[str]:
    found = (await api.read(SIMILAR, **asked))["similarWorkflows"]
    scores = [one["score"] for one in found]
    assert scores == sorted(scores, reverse=True)
    return [one["template"]["name"] for one in found]


async def test_what_is_about_the_same_comes_first(api: Api) -> None:
    await a_template(api, "Translate an article")
    await a_template(api, "Chase unpaid invoices")
    assert (await similar(api, text="invoice that was not paid"))[0] == "Chase unpaid invoices"
    assert await similar(api, text="translating articles", first=1) == ["Translate an article"]


async def test_a_workflow_is_compared_with_others_and_not_with_itself(api: Api) -> None:
    invoices = await a_template(api, "Chase unpaid invoices")
    await a_template(api, "Send invoices")
    await a_template(api, "Water the plants")
    private = Stream(Workflow, api.tenant_id)
    private.happens(Workflow.Created, **{**workflow_content("v1"), "name": "My invoices"})
    await api.happened(private)
    assert (await similar(api, id=str(invoices)))[0] == "Send invoices"
    near = await similar(api, id=str(private.stream_id), first=2)
    assert set(near) == {"Send invoices", "Chase unpaid invoices"}
    assert await similar(api, id=str(a_tenant())) == []


async def test_the_platforms_templates_are_everybodys_and_a_tenants_its_own(api: Api) -> None:
    await a_template(api, "Ours about whales")
    await a_template(api, "Theirs about whales", a_tenant())
    shared = await a_template(api, "Everybody's about whales", PLATFORM)
    found = (await api.read(SIMILAR, text="whales"))["similarWorkflows"]
    owners = {one["template"]["name"]: one["template"]["owner"] for one in found}
    assert owners == {"Ours about whales": "TENANT", "Everybody's about whales": "PLATFORM"}
    listed = (await api.read(LISTED))["workflowTemplates"]
    assert [one["name"] for one in listed] == ["Ours about whales", "Everybody's about whales"]
    assert {one["model"] for one in found} == {HASH}
    of_platform = (await api.read(LISTED, owner="PLATFORM"))["workflowTemplates"]
    assert [one["name"] for one in of_platform] == ["Everybody's about whales"]
    assert "Ours about whales" in await similar(api, id=str(shared))
    await api.ledger.owner.execute("DELETE FROM templates WHERE tenant_id = %s", (PLATFORM,))


async def test_another_tenants_workflow_cannot_be_compared_with(api: Api) -> None:
    await a_template(api, "Ours")
    theirs = await a_template(api, "Theirs", a_tenant())
    assert await similar(api, id=str(theirs)) == []


@pytest.mark.parametrize("model", ["other/model", "offline/hash"])
async def test_vectors_that_cannot_be_compared_are_left_out(api: Api, model: str) -> None:
    await a_template(api, "Of another model", model="other/model")
    short = await a_template(api, "Of other dimensions")
    await api.ledger.owner.execute(
        "UPDATE templates SET embedding = vector_of('[1,0]'), model = %s WHERE workflow_id = %s",
        (model, short),
    )
    assert await similar(api, text="of other dimensions") == []


async def test_what_is_withdrawn_is_gone_though_the_read_model_has_not_heard(api: Api) -> None:
    template = await a_template(api, "Withdrawn")
    await api.ledger.owner.execute("DELETE FROM templates WHERE workflow_id = %s", (template,))
    assert await similar(api, text="withdrawn") == []
    assert (await api.read(LISTED))["workflowTemplates"] == []


async def test_a_viewer_sees_templates_and_is_compared_with_nothing_private(api: Api) -> None:
    await a_template(api, "Open to all")
    private = Stream(Workflow, api.tenant_id)
    private.happens(Workflow.Created, **workflow_content("v1"))
    await api.happened(private)
    scopes = frozenset({"read"})
    viewer = Caller("user:vera", api.tenant_id, scopes, a_tenant(), own_only=scopes)
    api.callers.known[KEY] = viewer
    assert await similar(api, text="open") == ["Open to all"]
    assert await similar(api, id=str(private.stream_id)) == []


@pytest.mark.parametrize(
    "asked",
    [{}, {"text": "a", "id": str(UUID(int=1))}, {"text": " "}, {"text": "a" * 2001}],
    ids=["nothing", "both", "blank", "long"],
)
async def test_a_search_is_for_one_thing_of_bounded_size(api: Api, asked: dict[str, str]) -> None:
    assert await api.refused(SIMILAR, **asked) == "bad_search"


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (EmbeddingRefused(), "budget_exceeded"),
        (EmbeddingHeldUp(), "budget_reserved"),
        (EmbeddingUnpriced(), "budget_unpriced"),
        (EmbeddingFailed("acme/embedder: no answer"), "embedding_failed"),
    ],
    ids=["spent", "held by others", "unpriced", "no answer"],
)
async def test_a_search_that_is_not_paid_for_says_why(
    api: Api, refusal: DomainError, code: str
) -> None:
    async def refused(*_: object) -> Sequence[float]:
        raise refusal

    poor = replace(api, dependencies=replace(api.dependencies, embed=refused))
    assert await poor.refused(SIMILAR, text="whales") == code
