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


async def build_deadlines(runtime: Runtime) -> DeadlineSaga:
    """What it records has come, whether the tenant may act or not."""
    store, settings = await runtime.event_store("api"), runtime.settings
    ports = Ports(
        store,
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
    return DeadlineSaga(
        PostgresDeadlines(await runtime.database("worker")),
        Dispatcher(ports),
        runtime.clock,
        runtime.ids,
        f"worker:{runtime.name}",
        poll_s=settings.worker_deadlines_poll_s,
    )
