"""Triggers: what they do, what they did last, and when they are looked at next."""

from domain.executions import Execution
from domain.triggers import Trigger
from tests.projections.histories import IDS, Stream, a_tenant, an_execution
from tests.projections.trigger_histories import POLICY, a_trigger, fired, missed
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

FIELDS = (
    "id workflowId workflowVersion name kind schedule webhook input policy isPaused pauseReason"
    " note nextAt firedCount missedCount last createdBy version"
)
LIST = "{ triggers { edges { node { " + FIELDS + " } } } }"
OF_WORKFLOW = "query($id: ID!) { triggers(workflowId: $id) { edges { node { id } } } }"
ONE = "query($id: ID!) { trigger(id: $id) { id nextAt isPaused } }"
OUTCOME = "query($id: ID!) { trigger(id: $id) { lastExecutionId lastStatus failuresInARow } }"
DUE_AT = "2026-01-01T02:00:00+00:00"


async def is_due(api: Api, trigger: Stream) -> None:
    await api.ledger.owner.execute(
        "INSERT INTO due_triggers (tenant_id, trigger_id, due_at) VALUES (%s, %s, %s)",
        (trigger.tenant_id, trigger.stream_id, DUE_AT),
    )


async def test_a_trigger_is_listed_with_its_last_fires_and_its_next_time(api: Api) -> None:
    workflow_id, run = str(IDS.new()), str(IDS.new())
    trigger = missed(fired(a_trigger(api.tenant_id, workflow_id=workflow_id), run), 2)
    gone = a_trigger(api.tenant_id).happens(Trigger.Deleted)
    await api.happened(trigger, gone, a_trigger(a_tenant()))
    await is_due(api, trigger)
    for query in (LIST, by_resolvers(LIST)):
        edges = (await api.read(query))["triggers"]["edges"]
        (node,) = [edge["node"] for edge in edges]
        last = node.pop("last")
        assert [one.get("reason") or one["execution_id"] for one in last] == ["too_late", run]
        assert node.pop("nextAt").startswith("2026-01-01T02:00:00")
        assert (int(node.pop("firedCount")), int(node.pop("missedCount"))) == (1, 2)
        assert node == {
            "id": str(trigger.stream_id),
            "workflowId": workflow_id,
            "workflowVersion": None,
            "name": "Hourly",
            "kind": "schedule",
            "schedule": {"every_s": 3600},
            "webhook": None,
            "input": {"at": "{{ input.scheduled_at }}"},
            "policy": POLICY,
            "isPaused": False,
            "pauseReason": None,
            "note": None,
            "createdBy": "user:ada",
            "version": 3,
        }


async def test_triggers_of_one_workflow_are_found(api: Api) -> None:
    trigger, other = a_trigger(api.tenant_id), a_trigger(api.tenant_id)
    await api.happened(trigger, other)
    workflow_id = (await api.read(LIST))["triggers"]["edges"][-1]["node"]["workflowId"]
    edges = (await api.read(OF_WORKFLOW, id=workflow_id))["triggers"]["edges"]
    assert [edge["node"]["id"] for edge in edges] == [str(trigger.stream_id)]
    for nobody in (str(IDS.new()), "no id"):
        assert (await api.read(OF_WORKFLOW, id=nobody))["triggers"]["edges"] == []


async def test_a_trigger_says_how_the_run_that_it_began_last_is_doing(api: Api) -> None:
    run = an_execution(api.tenant_id).happens(Execution.Started)
    trigger = fired(a_trigger(api.tenant_id), str(run.stream_id))
    trigger.happens(Trigger.Settled, execution_id=str(run.stream_id), status="FAILED")
    await api.happened(run, trigger)
    one = (await api.read(OUTCOME, id=str(trigger.stream_id)))["trigger"]
    told = (one["lastExecutionId"], one["lastStatus"], one["failuresInARow"])
    assert told == (str(run.stream_id), "RUNNING", 1)
    fresh = a_trigger(api.tenant_id)
    await api.happened(fresh)
    one = (await api.read(OUTCOME, id=str(fresh.stream_id)))["trigger"]
    assert one == {"lastExecutionId": None, "lastStatus": None, "failuresInARow": 0}


async def test_a_trigger_that_nobody_looks_at_has_no_next_time(api: Api) -> None:
    trigger = a_trigger(api.tenant_id).happens(Trigger.Paused, reason="by_hand", note=None)
    await api.happened(trigger)
    one = (await api.read(ONE, id=str(trigger.stream_id)))["trigger"]
    assert one == {"id": str(trigger.stream_id), "nextAt": None, "isPaused": True}
