"""What an operator sees of `agentledger up` while somebody uses it."""

import re

import httpx

from tests.deploy.expressions import named_series
from tests.end_to_end.causes import cause_topic, of_topic, told_causes
from tests.end_to_end.stack import Api, Stack
from tests.end_to_end.stories import question_workflow
from tests.end_to_end.traces import CLIENT, assert_traced
from tests.otlp_receiver import OtlpReceiver
from tests.plain_http import NO_AUTHORITIES, PATIENCE_S

OF_HISTOGRAM = re.compile(r"_(bucket|count|sum)$")


async def test_a_run_is_followed_from_its_request_to_its_last_node(
    api: Api, collector: OtlpReceiver
) -> None:
    workflow = await api.post("/workflows", question_workflow())
    path = f"/workflows/{workflow['workflow_id']}/execute?wait_s=30"
    run = await api.post(path, {"input": {"question": "a canary?"}}, traceparent=CLIENT)
    tenant = (await api.query("{ tenant { id } }"))["tenant"]["id"]
    assert_traced(collector, str(run["execution_id"]), str(tenant), "postgresql")
    (query,) = collector.wait_for("GraphQL query", where={"graphql.root_fields": ["tenant"]})
    request = next(span for span in collector.spans if span.span_id == query.parent_id)
    assert request.name == "POST /graphql"


async def test_what_led_to_what_is_a_tree(api: Api) -> None:
    """Two models at once, and a run in a run: an end follows from its own beginning."""
    inner = await api.post("/workflows", question_workflow())
    nodes = [
        {"id": "start", "type": "start"},
        *(
            {"id": name, "type": "llm", "config": {"model": "offline/echo", "prompt": name}}
            for name in ("left", "right")
        ),
        {
            "id": "inner",
            "type": "sub_workflow",
            "config": {"workflow_id": inner["workflow_id"], "input": {"question": "What?"}},
        },
        {"id": "end", "type": "end", "config": {"output": {}}},
    ]
    edges = [
        {"from": source, "to": target}
        for name in ("left", "right", "inner")
        for source, target in (("start", name), (name, "end"))
    ]
    body = {"name": "Tree", "definition": {"nodes": nodes, "edges": edges}}
    outer = await api.post("/workflows", body)
    run = await api.post(f"/workflows/{outer['workflow_id']}/execute?wait_s=30", {"input": {}})
    parent_id = str(run["execution_id"])
    told = await told_causes(api, parent_id)
    assert told[0]["causes"] == []
    ends = [node for node in told if node["topic"] == "execution.node_completed"]
    begun = [node for node in told if node["topic"] == "execution.node_started"]
    assert {cause_topic(node) for node in ends if node["causationId"]} >= {"execution.node_started"}
    by_intent = {node["causes"][0]["version"] for node in ends if node["causes"]}
    assert {node["version"] for node in begun if node["effects"]} & by_intent

    started = of_topic(told, "execution.child_started")
    child_id = next(e["streamId"] for e in started["effects"] if e["streamId"] != parent_id)
    child = await told_causes(api, child_id)
    assert cause_topic(child[0]) == "execution.child_started"
    assert child[0]["causationId"] is not None
    ended = of_topic(told, "execution.child_ended")
    assert ended["causes"][0]["streamId"] == child_id
    assert ended["causes"][0]["topic"] == "execution.completed"


async def test_prometheus_sees_what_was_done(api: Api, one_process: Stack) -> None:
    workflow = await api.post("/workflows", question_workflow())
    path = f"/workflows/{workflow['workflow_id']}/execute?wait_s=30"
    await api.post(path, {"input": {"question": "What?"}})
    told = httpx.get(f"{one_process.url}/metrics", timeout=PATIENCE_S, verify=NO_AUTHORITIES).text
    for line in (
        'saga_steps_total{node_type="llm",result="completed"}',
        'saga_executions_ended_total{status="COMPLETED"}',
        'llm_tokens_total{kind="output_tokens",model="offline/echo",provider="offline"}',
        'llm_cost_micro_usd_total{model="offline/echo",provider="offline"}',
        'es_append_total{result="stored"}',
        'consumer_events_total{group="projections"}',
        'consumer_stalled{group="executions"} 0.0',
        'projection_lag_events{projection="executions"}',
        'db_pool_connections{role="api",state="idle"}',
        'trace_spans_total{result="exported"}',
        "process_cpu_seconds_total",
        "event_loop_lag_seconds",
        "disk_free_bytes",
    ):
        assert line in told, line
    assert api.api_key not in told


async def test_every_metric_of_the_dashboards_and_alerts_is_told_by_a_running_server(
    one_process: Stack,
) -> None:
    told = httpx.get(f"{one_process.url}/metrics", timeout=PATIENCE_S, verify=NO_AUTHORITIES).text
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", told, re.MULTILINE))
    named = named_series() - {"up"}  # Prometheus' own.
    missing = {name for name in named if not types.keys() & {name, OF_HISTOGRAM.sub("", name)}}
    assert missing == set()
