"""What begins runs when it is time."""

from commands.dispatch import Dispatcher
from commands.ports import Ports
from infra.due_triggers import PostgresDueTriggers
from infra.mail_outbox import SealedMailbox
from infra.parts import PostgresPartRights
from infra.price_books import StoredPrices
from infra.runtime import Runtime
from infra.secrets_source import SecretsSource
from infra.users import PostgresUsers
from sagas.triggers import TriggerSaga


async def build_triggers(runtime: Runtime) -> TriggerSaga:
    """Its commands take the way of all commands, so it holds what an API process holds."""
    store, plans = await runtime.event_store("api"), await runtime.plans("api")
    ports = Ports(
        store,
        runtime.clock,
        runtime.ids,
        SecretsSource(bcrypt_cost=runtime.settings.bcrypt_cost),
        await runtime.admission(),
        parts=PostgresPartRights(await runtime.database("worker")),
        plans=plans,
        prices=StoredPrices(store, plans),
        users=PostgresUsers(await runtime.database("api"), runtime.lookup_key),
        mailbox=SealedMailbox(
            await runtime.data_keys("api"),
            runtime.ids,
            has_server=runtime.settings.smtp_host is not None,
        ),
    )
    return TriggerSaga(
        PostgresDueTriggers(await runtime.database("worker")),
        Dispatcher(ports),
        runtime.clock,
        poll_s=runtime.settings.worker_triggers_poll_s,
    )
