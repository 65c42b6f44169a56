"""What is switched on for each tenant: asked by the commands that a flag stands before."""

from collections.abc import Callable
from typing import Any, LiteralString
from uuid import UUID

from commands.feature_port import TenantFeatures
from domain.feature_flags import BUILT_IN, FlagText, Override, flag_id
from domain.identifiers import PLATFORM, TenantId
from infra.feature_rows import WHOLE_TENANT
from infra.postgres import Database
from infra.tenant_memory import TenantMemory

FEATURES: LiteralString = "SELECT flags, overrides FROM features_of(%s)"


class PostgresFeatures:
    """Implements commands.feature_port.Features. database: the role `api` or `worker`."""

    def __init__(self, database: Database, *, monotonic_s: Callable[[], float]) -> None:
        self._database = database
        unknown = TenantFeatures(PLATFORM)
        self._memory = TenantMemory(self._read, monotonic_s=monotonic_s, unknown=unknown)
        self._flags = {flag_id(name) for name in BUILT_IN}

    async def of(self, tenant_id: TenantId) -> TenantFeatures:
        return await self._memory.of(tenant_id)

    async def defined(self) -> TenantFeatures:
        """Every flag, as it is for nobody in particular."""
        return await self._read(PLATFORM)

    def forget(self, stream_id: UUID) -> None:
        """An event of this stream was told: of a flag, or of a tenant, whose stream has its id. A
        flag of which nothing was known yet counts some seconds later.
        """
        if stream_id in self._flags:
            self._memory.forget_all()
        else:
            self._memory.forget(TenantId(stream_id))

    async def _read(self, tenant_id: TenantId) -> TenantFeatures:
        async with self._database.connection() as conn:
            row = await (await conn.execute(FEATURES, (tenant_id,))).fetchone()
        assert row is not None
        flags: list[dict[str, Any]] = row[0]
        texts = dict(TenantFeatures(tenant_id).texts)
        for flag in flags:
            name = flag.pop("name")
            texts[name] = FlagText(**flag)
            self._flags.add(flag_id(name))
        overrides: dict[str, dict[Override, bool]] = {}
        for one in row[1]:
            user_id = UUID(one["user_id"])
            override = Override(
                None if user_id == WHOLE_TENANT else user_id, bool(one["is_by_operator"])
            )
            overrides.setdefault(one["name"], {})[override] = bool(one["is_enabled"])
        return TenantFeatures(tenant_id, texts, overrides)
