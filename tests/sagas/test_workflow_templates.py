"""The template saga: what is offered gets an embedding, and what is not offered is forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from commands.model_port import ModelFailed
from commands.template_port import DueTemplate
from commands.workflows import CreateWorkflow, DeleteWorkflow, ReviseWorkflow
from domain.reservations import Standing
from domain.workflow_templates import template_text
from infra.models.offline_embeddings import HASH, OfflineEmbeddings, hashed
from sagas.workflow_templates import PAUSE_MAX_S, PAUSE_MIN_S, TemplateSaga
from tests.commands.fakes import World
from tests.commands.steps import a_chain, an_llm
from tests.sagas.test_embeddings import MODEL, OneBudget, ToldEmbeddings, embeddings_of

DEFINITION = a_chain(an_llm("draft"))


@dataclass
class ToldTemplates:
    """Implements commands.template_port.Templates for one saga."""

    due: list[DueTemplate] = field(default_factory=list)
    vectors: dict[UUID, tuple[int, str, list[float]]] = field(default_factory=dict)
    paused: list[tuple[UUID, float, float]] = field(default_factory=list)
    forgotten: list[UUID] = field(default_factory=list)

    async def claim(self, lease_s: float) -> DueTemplate | None:
        assert lease_s > 0
        return self.due.pop(0) if self.due else None

    async def embedded(self, due: DueTemplate, model: str, vector: Sequence[float]) -> None:
        self.vectors[due.workflow_id] = (due.workflow_version, model, list(vector))

    async def failed(self, due: DueTemplate, *, retry_in_s: float, others_in_s: float) -> None:
        self.paused.append((due.workflow_id, retry_in_s, others_in_s))

    async def forget(self, due: DueTemplate) -> None:
        self.forgotten.append(due.workflow_id)

    async def renew(self, model: str) -> int:
        assert model
        return 0


async def offered(world: World, name: str = "Answer") -> UUID:
    create = CreateWorkflow(name, "Answers.", is_public=True, definition=DEFINITION)
    (answer,) = await world.given(create)
    return UUID(str(answer["workflow_id"]))


async def worked(
    world: World,
    *workflow_ids: UUID,
    attempts_count: int = 1,
    models: ToldEmbeddings | OfflineEmbeddings | None = None,
    budgets: OneBudget | None = None,
) -> ToldTemplates:
    templates = ToldTemplates(
        [DueTemplate(world.tenant_id, one, 1, attempts_count) for one in workflow_ids]
    )
    model = MODEL if isinstance(models, ToldEmbeddings) else HASH
    embeddings = await embeddings_of(
        world, models or OfflineEmbeddings(), model=model, budgets=budgets
    )
    saga = TemplateSaga(templates, embeddings, world.store, "worker:1", 1)
    while await saga.work_once():
        pass
    return templates


async def test_a_template_is_embedded_by_what_it_is_about() -> None:
    world = World()
    workflow_id = await offered(world)
    templates = await worked(world, workflow_id)
    vector = hashed(template_text("Answer", "Answers.", DEFINITION))
    assert templates.vectors == {workflow_id: (1, HASH, vector)}


async def test_what_is_not_offered_any_more_is_forgotten() -> None:
    world = World()
    deleted, private, stays = [await offered(world) for _ in range(3)]
    await world.given(DeleteWorkflow(deleted), ReviseWorkflow(private, {"is_public": False}))
    templates = await worked(world, deleted, private, world.ids.new(), stays)
    assert templates.forgotten[:2] == [deleted, private]
    assert len(templates.forgotten) == 3
    assert list(templates.vectors) == [stays]


async def test_a_model_that_does_not_answer_is_asked_again_later_and_less_and_less() -> None:
    world = World()
    workflow_id = await offered(world)
    failure = ModelFailed("unavailable", "no connection", retryable=True)
    for attempts_count, pause_s in ((1, PAUSE_MIN_S), (2, 2 * PAUSE_MIN_S), (90, PAUSE_MAX_S)):
        templates = await worked(
            world, workflow_id, attempts_count=attempts_count, models=ToldEmbeddings(failure)
        )
        assert templates.paused == [(workflow_id, pause_s, PAUSE_MIN_S)]
        assert templates.vectors == {}


async def test_what_a_budget_does_not_pay_for_waits_until_it_does() -> None:
    world, models = World(), ToldEmbeddings()
    workflow_id = await offered(world)
    nothing = OneBudget(Standing(0, 0, 0))
    templates = await worked(world, workflow_id, models=models, budgets=nothing)
    assert (len(templates.paused), models.asked) == (1, [])
