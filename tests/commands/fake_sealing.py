"""Sealing that can be read, so that tests see what was sealed for what."""

from domain.identifiers import TenantId


class FakeSealing:
    async def seal(
        self, tenant_id: TenantId, purpose: str, plaintext: bytes, bound_to: str
    ) -> bytes:
        return _label(tenant_id, purpose, bound_to) + plaintext[::-1]

    async def open(self, tenant_id: TenantId, purpose: str, sealed: bytes, bound_to: str) -> bytes:
        label = _label(tenant_id, purpose, bound_to)
        assert sealed.startswith(label)
        return sealed.removeprefix(label)[::-1]


def _label(tenant_id: TenantId, purpose: str, bound_to: str) -> bytes:
    return f"{tenant_id}/{purpose}/{bound_to}:".encode()
