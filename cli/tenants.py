"""`agentledger tenants`: what the operator does about tenants without the web API."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import orjson
import typer
from psycopg import sql
from rich.console import Console
from rich.table import Table

from cli.complaints import complain
from cli.logins import build_password_judge
from cli.session import installation, owner_connection, run, settings_or_complain
from commands.authorization import Caller
from commands.decisions import Command
from commands.dispatch import Dispatcher, Origin
from commands.ports import Ports
from commands.sealing_port import DestroyedTenantKey, KeyDestroyed
from commands.tenants import CreateTenant, KeepTenant, OffboardTenant, ResumeTenant, SuspendTenant
from domain.envelope import Envelope
from domain.identifiers import JsonObject, TenantId
from domain.tenants import Tenant, TenantNotFound
from infra.admission import EveryoneAdmitted
from infra.clock import Uuid7Ids
from infra.runtime import build_runtime
from infra.secrets_source import SecretsSource
from infra.users import PostgresUsers
from projections.tenants import TENANTS as TENANTS_PROJECTION

TENANTS = sql.SQL(
    "SELECT tenant_id, name, region, standing, created_at FROM {} ORDER BY tenant_id"
).format(sql.Identifier(TENANTS_PROJECTION.table))
OPERATOR = Caller("operator", None, frozenset(), is_operator=True)


def list_tenants(*, is_json: bool) -> int:
    async def work() -> int:
        async with (
            installation(settings_or_complain()) as settings,
            owner_connection(settings) as conn,
        ):
            rows = await (await conn.execute(TENANTS)).fetchall()
        columns = ("tenant_id", "name", "region", "standing", "created_at")
        if is_json:
            tenants = [dict(zip(columns, row, strict=True)) for row in rows]
            typer.echo(orjson.dumps({"tenants": tenants}).decode())
            return 0
        table = Table("tenant", "name", "region", "standing", "created at")
        for tenant_id, name, region, standing, created_at in rows:
            created = created_at.isoformat(timespec="seconds")
            table.add_row(str(tenant_id), name, region, standing, created)
        Console().print(table)
        return 0

    return run(work)


def create_tenant(
    name: str, *, email: str, password: str, region: str | None, is_json: bool
) -> int:
    command = CreateTenant(name, admin_email=email, admin_password=password, region=region)
    return _decided(command, is_json=is_json)


def suspend_tenant(tenant_id: UUID, *, reason: str, is_json: bool) -> int:
    return _decided(SuspendTenant(tenant_id, reason), is_json=is_json)


def resume_tenant(tenant_id: UUID, *, is_json: bool) -> int:
    return _decided(ResumeTenant(tenant_id), is_json=is_json)


def offboard_tenant(tenant_id: UUID, *, grace_days: int, is_json: bool) -> int:
    return _decided(OffboardTenant(tenant_id, grace_days), is_json=is_json)


def keep_tenant(tenant_id: UUID, *, is_json: bool) -> int:
    return _decided(KeepTenant(tenant_id), is_json=is_json)


def _decided(command: Command, *, is_json: bool) -> int:
    """The same commands as those of the web API, decided and stored by this process."""

    async def work() -> int:
        async with _dispatcher() as dispatcher:
            answer = await dispatcher.dispatch(command, OPERATOR, Origin(Uuid7Ids().new()))
        _print(answer.result, is_json=is_json)
        return 0

    return run(work)


@asynccontextmanager
async def _dispatcher() -> AsyncGenerator[Dispatcher]:
    async with (
        installation(settings_or_complain()) as settings,
        build_runtime(settings) as runtime,
    ):
        yield Dispatcher(
            Ports(
                await runtime.event_store("api"),
                runtime.clock,
                runtime.ids,
                SecretsSource(bcrypt_cost=settings.bcrypt_cost),
                EveryoneAdmitted(),
                password_judge=build_password_judge(runtime, failed=lambda: None),
                users=PostgresUsers(await runtime.database("api"), runtime.lookup_key),
                regions=settings.regions,
            )
        )


def _print(result: JsonObject, *, is_json: bool) -> None:
    if is_json:
        typer.echo(orjson.dumps(result).decode())
        return
    for field, value in result.items():
        typer.echo(f"{field:<10} {value}")


def erase_tenant(tenant: str, *, is_json: bool) -> int:
    """Destroys the tenant's key, and removes what lies beside the log. There is no way back."""
    try:
        tenant_id = TenantId(UUID(tenant))
    except ValueError:
        complain(f"TENANT must be the id of a tenant, not {tenant!r}.")

    async def work() -> int:
        async with (
            installation(settings_or_complain()) as settings,
            build_runtime(settings) as runtime,
        ):
            store = await runtime.event_store("api")
            try:
                found = await store.load(Tenant, tenant_id, tenant_id)
            except KeyDestroyed:
                found = None  # By an earlier try; what it left is removed now.
            else:
                if found is None:
                    raise TenantNotFound
                found.destroy_key()
                await store.append(
                    [found], Envelope(tenant_id, "operator"), side_rows=[DestroyedTenantKey()]
                )
            removed = await (await runtime.erasure()).sweep(tenant_id)
        if is_json:
            document = {"tenant_id": str(tenant_id), "removed_rows": removed}
            typer.echo(orjson.dumps(document).decode())
        else:
            typer.echo(f"tenant {tenant_id} is erased; {removed} rows were removed")
        return 0

    return run(work)
