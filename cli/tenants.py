"""`agentledger tenants`: what the operator does about tenants without the web API."""

import orjson
import typer
from psycopg import sql
from rich.console import Console
from rich.table import Table

from cli.session import installation, owner_connection, run, settings_or_complain
from commands.authorization import Caller
from commands.dispatch import Dispatcher, Origin
from commands.ports import Ports
from commands.tenants import CreateTenant
from infra.admission import EveryoneAdmitted
from infra.runtime import build_runtime
from infra.secrets_source import SecretsSource
from infra.users import PostgresUsers
from projections.tenants import TENANTS as TENANTS_PROJECTION

TENANTS = sql.SQL("SELECT tenant_id, name, created_at FROM {} ORDER BY tenant_id").format(
    sql.Identifier(TENANTS_PROJECTION.table)
)


def list_tenants(*, is_json: bool) -> int:
    async def work() -> int:
        async with (
            installation(settings_or_complain()) as settings,
            owner_connection(settings) as conn,
        ):
            rows = await (await conn.execute(TENANTS)).fetchall()
        if is_json:
            tenants = [{"tenant_id": row[0], "name": row[1], "created_at": row[2]} for row in rows]
            typer.echo(orjson.dumps({"tenants": tenants}).decode())
            return 0
        table = Table("tenant", "name", "created at")
        for tenant_id, name, created_at in rows:
            table.add_row(str(tenant_id), name, created_at.isoformat(timespec="seconds"))
        Console().print(table)
        return 0

    return run(work)


def create_tenant(name: str, *, email: str, password: str, is_json: bool) -> int:
    """The same command as POST /api/v1/tenants, decided and stored by this process."""

    async def work() -> int:
        async with (
            installation(settings_or_complain()) as settings,
            build_runtime(settings) as runtime,
        ):
            secrets = SecretsSource(bcrypt_cost=settings.bcrypt_cost)
            store = await runtime.event_store("api")
            users = PostgresUsers(await runtime.database("api"), runtime.master_key)
            ports = Ports(
                store, runtime.clock, runtime.ids, secrets, EveryoneAdmitted(), users=users
            )
            dispatcher = Dispatcher(ports)
            operator = Caller("operator", None, frozenset(), is_operator=True)
            answer = await dispatcher.dispatch(
                CreateTenant(name=name, admin_email=email, admin_password=password),
                operator,
                Origin(runtime.ids.new()),
            )
        if is_json:
            typer.echo(orjson.dumps(answer.result).decode())
        else:
            for field, value in answer.result.items():
                typer.echo(f"{field:<10} {value}")
        return 0

    return run(work)
