"""Assembles the role `relay`. Apart from the other roles: it brings the client of Kafka."""

from infra.consumer import keep_running
from infra.relay import Relay
from infra.runtime import Runtime, SettingMissing


async def run_relay(runtime: Runtime) -> None:
    relay = _relay(runtime)
    runtime.readiness.add(relay.check)
    await keep_running("relay", relay.run, pause_max_s=runtime.settings.consumer_restart_max_s)


def _relay(runtime: Runtime) -> Relay:
    settings = runtime.settings
    if not settings.kafka_bootstrap_servers:
        raise SettingMissing(
            "AGENTLEDGER_KAFKA_BOOTSTRAP_SERVERS is not set: there is nothing to relay to"
        )
    return Relay(
        runtime.conninfo("relay"),
        settings.kafka_bootstrap_servers,
        settings.kafka_topic,
        runtime.wakeups,
        partitions_count=settings.log_partitions,
        batch_events_max=settings.log_batch_events_max,
        poll_min_s=settings.poll_min_s,
        poll_max_s=settings.poll_max_s,
        pace_s=settings.relay_pace_s,
    )
