"""What is done when its time has come."""

from cli.payments import build_payments
from commands.dispatch import Dispatcher
from commands.ports import Ports
from infra.admission import EveryoneAdmitted
from infra.deadlines import PostgresDeadlines
from infra.mail_outbox import SealedMailbox
from infra.runtime import Runtime
from infra.secrets_source import SecretsSource
from infra.users import PostgresUsers
from sagas.deadlines import DeadlineSaga


async def build_deadlines(runtime: Runtime, ports: Ports) -> DeadlineSaga:
    """ports: of deadline_ports."""
    return DeadlineSaga(
        PostgresDeadlines(await runtime.database("worker")),
        Dispatcher(ports),
        runtime.clock,
        runtime.ids,
        f"worker:{runtime.name}",
        poll_s=runtime.settings.worker_deadlines_poll_s,
    )


async def deadline_ports(runtime: Runtime) -> Ports:
    """What has come is recorded whether the tenant may act or not."""
    settings = runtime.settings
    return Ports(
        await runtime.event_store("api"),
        runtime.clock,
        runtime.ids,
        SecretsSource(bcrypt_cost=settings.bcrypt_cost),
        EveryoneAdmitted(),
        users=PostgresUsers(await runtime.database("api"), runtime.lookup_key),
        mailbox=SealedMailbox(
            await runtime.data_keys("api"),
            runtime.ids,
            has_server=settings.smtp_host is not None,
        ),
        payments=build_payments(runtime),
    )
