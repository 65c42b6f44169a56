"""Flags as a test has them, for every tenant."""

from commands.feature_port import TenantFeatures
from domain.feature_flags import BUILT_IN, FlagText
from domain.identifiers import PLATFORM, TenantId


class FakeFeatures:
    """texts: those of the platform, on, until a test says otherwise."""

    def __init__(self) -> None:
        self.texts = {name: FlagText(text) for name, text in BUILT_IN.items()}

    def switch_off(self, name: str) -> None:
        self.texts[name] = FlagText("off", is_enabled=False)

    async def of(self, tenant_id: TenantId) -> TenantFeatures:
        return TenantFeatures(tenant_id, self.texts)

    async def defined(self) -> TenantFeatures:
        return await self.of(PLATFORM)
