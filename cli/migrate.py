"""`agentledger migrate`: the schema of the log, the tables of the projections, and what is to be in
those that are new.
"""

import orjson
import typer

from cli.filling import fill_new, told
from cli.session import installation, owner_connection, run, settings_or_complain
from infra.migrations import migrate as migrate_schema
from infra.runtime import SettingMissing
from infra.settings import Settings
from projections.schema import create_missing_tables


async def migrate_all(settings: Settings) -> list[str]:
    """Idempotent. Returns what was applied."""
    assert settings.database_url is not None
    if settings.master_key is None:
        raise SettingMissing("AGENTLEDGER_MASTER_KEY is not set.")
    applied = await migrate_schema(
        settings.database_url, master_key=settings.master_key.get_secret_value()
    )
    async with owner_connection(settings) as conn:
        created = await create_missing_tables(conn)
    return [*applied, *created]


def migrate(*, is_json: bool) -> int:
    async def work() -> int:
        async with installation(settings_or_complain()) as settings:
            applied = await migrate_all(settings)
            filled = await fill_new(settings)
        if is_json:
            names = [one.projection for one in filled]
            typer.echo(orjson.dumps({"applied": applied, "filled": names}).decode())
        else:
            lines = [*(f"applied {name}" for name in applied), *map(told, filled)]
            typer.echo("\n".join(lines) or "nothing to do")
        return 0

    return run(work)
