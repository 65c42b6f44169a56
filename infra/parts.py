"""Who may run the parts of a run, from the log, the shares, and what everybody may do now."""

from collections.abc import Collection, Sequence
from typing import Any, LiteralString
from uuid import UUID

from commands.authorization import Grants, reaches_everything
from commands.parts_port import Part, Principals
from domain.identifiers import TenantId
from infra.authentication import grants_now
from infra.postgres import Database

RUNNABLE: LiteralString = "SELECT runnable_by(%s, %s, %s, %s::uuid[])"
ACCESS: LiteralString = "SELECT role, status, permissions FROM access_of_principals(%s, %s, %s)"


class PostgresPartRights:
    """Implements commands.parts_port.PartRights. database: of the role api or worker."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def refused(
        self, tenant_id: TenantId, parts: Collection[Part], principals: Principals
    ) -> set[UUID]:
        asked = (tenant_id, principals.runner, principals.author_of)
        part_ids = list({part.part_id for part in parts})
        async with self._database.shared() as conn:
            rows = await (await conn.execute(RUNNABLE, (*asked, part_ids), prepare=True)).fetchall()
            left = set(part_ids) - {row[0] for row in rows}
            if not left:
                return left
            people = await (await conn.execute(ACCESS, asked, prepare=True)).fetchall()
        everybodys = _present(people)
        return {
            part.part_id
            for part in parts
            if part.part_id in left
            and not any(reaches_everything(grants, part.scope) for grants in everybodys)
        }

    async def grants_of(self, tenant_id: TenantId, runner: str) -> Grants | None:
        async with self._database.shared() as conn:
            cursor = await conn.execute(ACCESS, (tenant_id, runner, None), prepare=True)
            present = _present(await cursor.fetchall())
        return present[0] if present else None


def _present(rows: Sequence[tuple[Any, ...]]) -> list[Grants]:
    """rows: of access_of_principals."""
    everybodys = (grants_now(*row) for row in rows)
    return [grants for grants in everybodys if grants is not None]
