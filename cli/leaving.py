"""Assembles the sagas about who leaves: a tenant, or a person."""

from commands.dispatch import Dispatcher
from commands.ports import Ports
from infra.admission import EveryoneAdmitted
from infra.offboardings import PostgresOffboardings
from infra.price_books import StoredPrices
from infra.runtime import Runtime
from infra.secrets_source import SecretsSource
from infra.subjects import PostgresSubjectErasures
from infra.users import PostgresUsers
from sagas.offboarding import OffboardingSaga
from sagas.subjects import DataSubjectSaga


async def build_offboarding(runtime: Runtime) -> OffboardingSaga:
    """Its commands are about tenants that may not act themselves."""
    store = await runtime.event_store("api")
    secrets = SecretsSource(bcrypt_cost=runtime.settings.bcrypt_cost)
    return OffboardingSaga(
        PostgresOffboardings(await runtime.database("worker")),
        store,
        Dispatcher(
            Ports(
                store,
                runtime.clock,
                runtime.ids,
                secrets,
                EveryoneAdmitted(),
                prices=StoredPrices(store, await runtime.plans("api")),
            )
        ),
        runtime.clock,
        runtime.ids,
        f"worker:{runtime.name}",
        poll_s=runtime.settings.worker_offboarding_poll_s,
    )


async def build_data_subjects(runtime: Runtime) -> DataSubjectSaga:
    """What it decides is about whoever is erased, whether their tenant may act or not."""
    secrets = SecretsSource(bcrypt_cost=runtime.settings.bcrypt_cost)
    users = PostgresUsers(await runtime.database("api"), runtime.lookup_key)
    store = await runtime.event_store("api")
    return DataSubjectSaga(
        PostgresSubjectErasures(await runtime.database("worker")),
        Ports(
            store,
            runtime.clock,
            runtime.ids,
            secrets,
            EveryoneAdmitted(),
            users=users,
            prices=StoredPrices(store, await runtime.plans("api")),
        ),
        f"worker:{runtime.name}",
        poll_s=runtime.settings.worker_erasure_poll_s,
    )
