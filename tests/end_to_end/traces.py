"""What a collector can follow of one run: from the request to the last node, by parents and links,
whatever the log is.
"""

from tests.otlp_receiver import OtlpReceiver

CLIENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SERVER, CLIENT_KIND, PRODUCER, CONSUMER = 2, 3, 4, 5


def assert_traced(collector: OtlpReceiver, execution_id: str, tenant_id: str, log: str) -> None:
    """Of a run with one `llm` node that was begun with the traceparent CLIENT. log: the name of the
    destination.
    """
    of_run = {"gen_ai.conversation.id": execution_id}
    drive, attempt, chat = collector.wait_for(
        "drive execution", "attempt llm", "chat offline/echo", where=of_run
    )
    assert attempt.parent_id == drive.span_id
    assert chat.parent_id == attempt.span_id
    assert {drive.trace_id} == {attempt.trace_id, chat.trace_id}
    assert (drive.kind, chat.kind, drive.parent_id) == (CONSUMER, CLIENT_KIND, "")
    assert drive.attributes["agentledger.tenant.id"] == tenant_id
    assert chat.attributes["gen_ai.operation.name"] == "chat"
    assert chat.attributes["gen_ai.provider.name"] == "offline"
    assert chat.attributes["gen_ai.request.model"] == "offline/echo"
    assert chat.attributes["gen_ai.response.model"] == "offline/echo"
    assert chat.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert chat.attributes["gen_ai.usage.input_tokens"] > 0
    assert chat.attributes["gen_ai.usage.output_tokens"] > 0
    assert not any("messages" in name for name in chat.attributes)

    # What led to the drive: the append, of the command, of the request.
    append = collector.wait_until(
        lambda span: span.name == "append events" and span.place in drive.links
    )
    command = collector.wait_until(lambda span: span.place == (append.trace_id, append.parent_id))
    request = collector.wait_until(lambda span: span.place == (command.trace_id, command.parent_id))
    assert append.kind == PRODUCER
    assert command.name == "command ExecuteWorkflow"
    assert request.name == "POST /api/v1/workflows/{workflow_id}/execute"
    assert (request.kind, request.parent_id) == (SERVER, "")
    assert request.attributes["agentledger.tenant.id"] == tenant_id
    # A stranger's trace is linked, and not gone on with.
    assert request.links == [("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")]
    assert request.trace_id not in {drive.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736"}

    # The consumers of the log link to the same append; nobody's text is anywhere.
    group = {"messaging.consumer.group.name": "projections"}
    process = collector.wait_until(
        lambda span: (
            span.name == f"process {log}"
            and append.place in span.links
            and group.items() <= span.attributes.items()
        )
    )
    assert process.kind == CONSUMER
    assert not [span for span in list(collector.spans) if "canary" in str(span.attributes)]
