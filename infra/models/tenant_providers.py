"""Providers that tenants bring: their keys are opened for one call at a time, and their addresses
are reached through the guard, wherever they lead.

Kinds that speak OpenAI's protocol always get an address here, which tells openai_protocol.py to
guard the call. The others have fixed addresses, for litellm's own clients know no guard.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson

from commands.feature_port import EverythingOn, Features
from commands.model_port import ModelFailed, ModelRequest, Models
from commands.provider_port import ProviderAccess, Providers
from commands.vault_port import OpenedValue, SecretReader
from domain.allowed_hosts import is_host_allowed
from domain.feature_flags import OWN_PROVIDERS
from domain.identifiers import JsonObject, TenantId
from domain.providers import provider_id
from domain.secrets import secret_id
from infra.models.failures import failed
from infra.models.providers import PROVIDERS

TEST_TIMEOUT_S = 20.0
TESTS_AT_ONCE_MAX = 8

# What kinds are called in model names here, where it differs.
_PREFIXES: Mapping[str, str] = {"openai_compatible": "hosted_vllm"}
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class _Sealed:
    """As commands/providers.py seals it."""

    kind: str
    api_base: str | None
    models: list[str]
    key_from: str | None
    api_key: str | None = field(repr=False)


class TenantProviders:
    """Implements commands.provider_port.Providers. Where providers of one's own are switched off,
    those that are kept are not called, and say so.
    """

    def __init__(self, vault: SecretReader, features: Features | None = None) -> None:
        self._vault = vault
        self._features = features or EverythingOn()

    async def access(
        self, tenant_id: TenantId, user_id: UUID | None, model: str
    ) -> ProviderAccess | None:
        name, _, rest = model.partition("/")
        if name == "offline" or not rest:
            return None
        owners = (None,) if user_id is None else (user_id, None)
        ids = {owner: provider_id(tenant_id, owner, name) for owner in owners}
        found = await self._vault.open(tenant_id, list(ids.values()))
        for owner, entry_id in ids.items():
            if entry_id in found:
                if not (await self._features.of(tenant_id)).is_on(OWN_PROVIDERS, user_id):
                    raise failed("feature_off", "providers of one's own are switched off")
                sealed = _sealed(found[entry_id])
                return await self._access(tenant_id, owner, sealed, name=name, model=rest)
        return None

    async def _access(
        self, tenant_id: TenantId, owner: UUID | None, sealed: _Sealed, *, name: str, model: str
    ) -> ProviderAccess:
        if sealed.models and model not in sealed.models:
            raise failed("unknown_model", f"the provider {name} does not have this model")
        api_base = sealed.api_base
        if api_base is None and sealed.kind in PROVIDERS:
            api_base = PROVIDERS[sealed.kind].base
        api_key = sealed.api_key
        if sealed.key_from is not None:
            api_key = await self._key(tenant_id, owner, sealed.key_from, sealed.api_base)
        prefix = _PREFIXES.get(sealed.kind, sealed.kind)
        return ProviderAccess(name, f"{prefix}/{model}", api_base, api_key)

    async def _key(
        self, tenant_id: TenantId, owner: UUID | None, name: str, api_base: str | None
    ) -> str:
        """Of the same owner: nobody sends a secret of the tenant to an address of their own."""
        entry_id = secret_id(tenant_id, owner, name)
        opened = (await self._vault.open(tenant_id, [entry_id])).get(entry_id)
        if opened is None:
            raise failed("secret_missing", f"there is no secret {name}")
        if api_base is not None and not _may_go_to(opened, api_base):
            message = f"the secret {name} may not be sent to the address of the provider"
            raise failed("secret_not_allowed", message)
        return opened.value


class ShortCalls:
    """Implements commands.provider_port.ProviderTests."""

    def __init__(self, providers: Providers, models: Models) -> None:
        self._providers = providers
        self._models = models
        self._may_call = asyncio.Semaphore(TESTS_AT_ONCE_MAX)

    async def tried(
        self, tenant_id: TenantId, user_id: UUID | None, name: str, model: str
    ) -> JsonObject | None:
        asked = f"{name}/{model}"
        try:
            async with self._may_call:
                access = await self._providers.access(tenant_id, user_id, asked)
                if access is None:
                    return None
                await self._models.complete(_short_call(access))
        except ModelFailed as refusal:
            return _told(asked, refusal.code, refusal.message)
        return _told(asked)


def _short_call(access: ProviderAccess) -> ModelRequest:
    return ModelRequest(
        model=access.model,
        messages=[{"role": "user", "content": "Hi"}],
        parameters={"max_tokens": 1},
        attempt=1,
        timeout_s=TEST_TIMEOUT_S,
        idempotency_key="provider-test",
        api_base=access.api_base,
        api_key=access.api_key,
    )


def _told(model: str, code: str | None = None, message: str | None = None) -> JsonObject:
    return {"ok": code is None, "model": model, "code": code, "message": message}


def _sealed(opened: OpenedValue) -> _Sealed:
    content: dict[str, Any] = orjson.loads(opened.value)
    return _Sealed(**content)


def _may_go_to(secret: OpenedValue, api_base: str) -> bool:
    parts = urlsplit(api_base)
    port = parts.port or _PORTS[parts.scheme]
    return is_host_allowed(secret.allowed_hosts, parts.scheme, parts.hostname or "", port)
