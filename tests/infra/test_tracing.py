"""Traces as a collector gets them, and that nobody waits for a collector."""

import asyncio
import logging
from collections.abc import Iterator
from time import perf_counter

import psycopg
import pytest
from opentelemetry.sdk.trace import ReadableSpan

from cli.telemetry import wants_traces
from domain.envelope import Envelope
from domain.errors import Refused
from domain.identifiers import TenantId
from infra import tracing
from infra.neighbours import Neighbours
from infra.otlp import LAST_EXPORT_S, exported, parsed
from infra.settings import Settings
from infra.tracing import EXECUTION_ID, current_traceparent, root_span, sampled, span
from tests.commands.event_store_contract import an_execution
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS
from tests.otlp_receiver import OtlpReceiver, otlp_receiver

KEPT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOT_KEPT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


def settings(receiver: OtlpReceiver | None = None, **changes: object) -> Settings:
    url = "http://127.0.0.1:9" if receiver is None else receiver.url
    return Settings().model_copy(update={"otlp_endpoint": url, **changes})


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as running:
        yield running


@pytest.fixture(autouse=True)
def _off_afterwards() -> Iterator[None]:
    yield
    tracing.export_to(None)


def test_where_nobody_wants_traces_there_are_none() -> None:
    with span("append events", "producer") as made:
        made.set({"a": 1})
        made.fail("refused")
        assert not made.is_recording
        assert current_traceparent() is None
    assert tracing.current_ids() is None


async def test_a_worker_beside_hears_of_the_append_that_its_events_remember(
    parts: Parts, receiver: OtlpReceiver, database_url: str
) -> None:
    told: list[str | None] = []
    neighbours = Neighbours(
        execution_stored=lambda _tenant, _run, traceparent: told.append(traceparent)
    )
    run = an_execution({})
    with exported(settings(receiver), {}) as traces:
        tracing.export_to(traces)
        with span("command ExecuteWorkflow") as command:
            await parts.new_store(neighbours).append([run], Envelope(TenantId(IDS.new()), "test"))
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        cursor = await conn.execute(
            "SELECT traceparent FROM agentledger.events WHERE originator_id = %s", (run.id,)
        )
        assert await cursor.fetchall() == [(told[0],)]
    assert len(told) == 1
    assert told[0] not in {None, command.traceparent}


@pytest.mark.parametrize(
    ("environment", "is_wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "x", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "x", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_variables_of_opentelemetry_count(
    environment: dict[str, str], *, is_wanted: bool
) -> None:
    assert wants_traces(Settings(), environment) is is_wanted
    if "OTEL_SDK_DISABLED" not in environment and "OTEL_TRACES_EXPORTER" not in environment:
        assert wants_traces(settings(), environment)


def test_spans_reach_the_collector_with_parents_links_and_failures(receiver: OtlpReceiver) -> None:
    with exported(settings(receiver), {"agentledger.role": "worker"}) as traces:
        tracing.export_to(traces)
        with root_span("the drive", "consumer", links=[KEPT, None]) as drive:
            with pytest.raises(Refused), span("the step", "client", {"a": "b"}) as step:
                raise Refused
            with span("softly refused") as soft:
                soft.fail("not_found", is_error=False)
            assert drive.traceparent is not None
            assert drive.traceparent.endswith("-01")
            assert step.traceparent != drive.traceparent
    drive_span, step_span, soft_span = receiver.wait_for("the drive", "the step", "softly refused")
    assert receiver.paths == {"/v1/traces"}
    assert drive_span.resource["service.name"] == "agentledger"
    assert drive_span.resource["agentledger.role"] == "worker"
    assert (drive_span.parent_id, drive_span.kind) == ("", 5)
    assert drive_span.links == [("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")]
    assert step_span.trace_id == drive_span.trace_id
    assert step_span.parent_id == drive_span.span_id
    assert step_span.attributes == {"a": "b", "error.type": "Refused"}
    assert (step_span.is_error, soft_span.is_error) == (True, False)


def names_kept(receiver: OtlpReceiver, share: float) -> set[str]:
    """Of the roots below, those that reach the collector."""
    receiver.spans.clear()
    with exported(settings(receiver, trace_share=share), {}) as traces:
        tracing.export_to(traces)
        for name, parent, links, mentioned in (
            ("by itself", None, [], None),
            ("after one that is kept", None, [NOT_KEPT, KEPT], None),
            ("after one that is not", None, [NOT_KEPT], None),
            ("of a caller that is kept", KEPT, [], None),
            ("of a caller that is not", NOT_KEPT, [], None),
            ("of a stranger", None, [], KEPT),
        ):
            with root_span(name, "server", parent=parent, links=links, mentioned=mentioned):
                pass
    return {one.name for one in receiver.spans}


def test_what_is_kept_is_kept_with_all_that_belongs_to_it(receiver: OtlpReceiver) -> None:
    followed = {"after one that is kept", "of a caller that is kept"}
    assert names_kept(receiver, 0.0) == followed
    assert names_kept(receiver, 1.0) == {*followed, "by itself", "of a stranger"}


def is_kept(run: str) -> bool:
    with root_span("due", "consumer", {EXECUTION_ID: run}) as made:
        return made.is_recording


def test_all_drives_of_a_run_are_kept_or_none(receiver: OtlpReceiver) -> None:
    with exported(settings(receiver, trace_share=0.5), {}) as traces:
        tracing.export_to(traces)
        runs = [str(IDS.new()) for _ in range(200)]
        kept = {run: {is_kept(run) for _ in range(3)} for run in runs}
    assert all(len(one) == 1 for one in kept.values())
    assert 40 < sum(True in one for one in kept.values()) < 160


def test_a_collector_that_is_away_slows_nobody_and_fails_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.otlp.LAST_EXPORT_S", 0.1)
    caplog.set_level(logging.CRITICAL)
    began_s = perf_counter()
    with exported(settings(trace_queue_max=512), {}) as traces:
        tracing.export_to(traces)
        for number in range(5_000):
            with span("lost", attributes={"number": number}):
                pass
        spent_s = perf_counter() - began_s
    # A tenth of a millisecond each would be the machine's fault; a timeout would be seconds.
    assert spent_s < 5
    assert perf_counter() - began_s < spent_s + LAST_EXPORT_S


def test_attributes_have_an_end(receiver: OtlpReceiver) -> None:
    with exported(settings(receiver), {}) as traces:
        tracing.export_to(traces)
        with span("long", attributes={"text": "x" * 10_000}) as made:
            made.set({f"n{number}": number for number in range(200)})
    (long,) = receiver.wait_for("long")
    assert len(long.attributes) <= 48
    assert all(len(str(value)) <= 512 for value in long.attributes.values())


async def test_a_task_is_traced_beneath_whoever_began_it(receiver: OtlpReceiver) -> None:
    with exported(settings(receiver), {}) as traces:
        tracing.export_to(traces)

        async def effect() -> None:
            with span("effect"):
                await asyncio.sleep(0)

        with root_span("run", "consumer"):
            await asyncio.create_task(effect())
    run, effect_span = receiver.wait_for("run", "effect")
    assert effect_span.parent_id == run.span_id


def test_only_traces_that_somebody_keeps_are_linked_and_each_once() -> None:
    assert sampled([None, KEPT, NOT_KEPT, KEPT]) == [KEPT]
    many = [f"00-{number:032x}-{number:016x}-01" for number in range(1, 500)]
    assert len(sampled(many)) == tracing.LINKS_MAX


@pytest.mark.parametrize(
    "text", ["", "00", "00-0-0-01", "00-zz-b7ad6b7169203331-01", "00-" + "0" * 32 + "-1-01"]
)
def test_what_is_no_traceparent_links_to_nothing(text: str) -> None:
    assert parsed(text) is None


def test_no_text_of_an_exception_leaves_the_process(receiver: OtlpReceiver) -> None:
    def raising() -> None:
        with span("raises") as made:
            ended.append(made._span)  # type: ignore[attr-defined] # what is exported of it
            raise ValueError("a canary")

    ended: list[ReadableSpan] = []
    with exported(settings(receiver), {}) as traces:
        tracing.export_to(traces)
        with pytest.raises(ValueError, match="canary"):
            raising()
    assert ended[0].events == ()
    assert "canary" not in ended[0].to_json()
