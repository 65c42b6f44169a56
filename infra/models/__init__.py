"""Where a model name leads: `offline/` needs nobody, OpenAI's protocol is spoken by us, litellm
speaks the rest.

    offline/...                          offline.py
    openai/... groq/... (providers.py)   openai_protocol.py    aiohttp, the hot path
    anything else litellm knows          litellm_adapter.py    imported at the first such call

Importing this module is cheap: aiohttp comes with `build_models`, litellm with its first call.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Protocol

from commands.embedding_port import Embedding, Embeddings
from commands.model_port import ModelRequest, ModelResponse, Models
from infra.http_addresses import Origin
from infra.models.failures import failed
from infra.models.offline import OfflineModels
from infra.models.offline_embeddings import OfflineEmbeddings
from infra.models.prices import known_model, load_prices
from infra.models.providers import PROVIDERS, WITH_ADDRESS_ONLY

CONNECTIONS_MAX = 1024
OFFLINE = "offline"
# Names become parts of addresses and file names inside litellm.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:@+*-]|/(?=[A-Za-z0-9@])){0,199}")
_NAME_CHARACTERS_MAX = 200


class ClosableModels(Models, Embeddings, Protocol):
    async def aclose(self) -> None: ...


class RoutedModels:
    """The ports Models and Embeddings: each request to the adapter that its name asks for."""

    def __init__(self, *, openai_protocol: ClosableModels, litellm: ClosableModels) -> None:
        self._offline = OfflineModels()
        self._offline_embeddings = OfflineEmbeddings()
        self._openai_protocol = openai_protocol
        self._litellm = litellm

    def complete(
        self, request: ModelRequest, on_token: Callable[[str], None] | None = None
    ) -> Awaitable[ModelResponse]:
        """Raises ModelFailed; `unknown_model` for a name that can be none."""
        provider = _named_provider(request.model)
        if provider == OFFLINE:
            return self._offline.complete(request, on_token)
        return self._completed(provider, request, on_token)

    async def embed(self, request: ModelRequest) -> Embedding:
        """Raises ModelFailed, as `complete` does."""
        provider = _named_provider(request.model)
        if provider == OFFLINE:
            return await self._offline_embeddings.embed(request)
        if _speaks_our_protocol(provider, request):
            return await self._openai_protocol.embed(request)
        return await self._litellm.embed(request)

    async def aclose(self) -> None:
        await asyncio.gather(self._openai_protocol.aclose(), self._litellm.aclose())

    async def _completed(
        self, provider: str, request: ModelRequest, on_token: Callable[[str], None] | None
    ) -> ModelResponse:
        return await (await self._adapter_of(provider, request)).complete(request, on_token)

    async def _adapter_of(self, provider: str, request: ModelRequest) -> Models:
        if not _speaks_our_protocol(provider, request):
            return self._litellm
        if request.api_base is not None:
            return self._openai_protocol
        await load_prices()
        model, name = request.model, _bare_name(request.model)
        known = known_model(model)
        # Some of OpenAI's models only answer its newer protocol; litellm translates.
        is_chat = (known is None or known.mode != "responses") and not name.startswith("responses/")
        return self._openai_protocol if is_chat else self._litellm


def _speaks_our_protocol(provider: str, request: ModelRequest) -> bool:
    """Raises ModelFailed for an address of a tenant's that nobody may go to."""
    name = _bare_name(request.model)
    if request.api_base is None:
        return bool(name) and provider in PROVIDERS
    # litellm's clients are not guarded, and follow redirects to wherever they lead.
    if name and (provider in PROVIDERS or provider in WITH_ADDRESS_ONLY):
        return True
    raise failed("invalid", f"{provider} cannot be called at an address of one's own")


def _bare_name(model: str) -> str:
    return model.partition("/")[2]


def _named_provider(model: str) -> str:
    """Who offers the model, by its name. Raises ModelFailed for what can be none."""
    # What is longer is not remembered either: a tenant may write as much as it likes.
    provider = _provider_of(model) if len(model) <= _NAME_CHARACTERS_MAX else None
    if provider is None:
        raise failed("unknown_model", "this is not a model's name")
    return provider


@lru_cache(maxsize=1024)
def _provider_of(model: str) -> str | None:
    is_name = _NAME.fullmatch(model) is not None and ".." not in model
    return model.partition("/")[0] if is_name else None


def build_models(
    environment: Mapping[str, str],
    *,
    connections_max: int = CONNECTIONS_MAX,
    allowed: frozenset[Origin] = frozenset(),
) -> RoutedModels:
    """environment: where the operator's keys and addresses of providers are, under litellm's names.
    allowed: what tenants' addresses may lead to although it is not public. Close it.
    """
    from infra.models.guarded_posts import Guard  # Brings aiohttp, as the client does.
    from infra.models.litellm_adapter import LitellmModels  # Brings httpx.
    from infra.models.openai_protocol import OpenAiProtocolModels  # Brings aiohttp.

    return RoutedModels(
        openai_protocol=OpenAiProtocolModels(
            environment, connections_max=connections_max, guard=Guard(allowed)
        ),
        litellm=LitellmModels(),
    )
