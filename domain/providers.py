"""Provider: whose models a tenant, or one of its people, calls with a key of their own. A model
`<name>/<model>` leads to the provider of that name; its key is in the vault, never here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound
from domain.identifiers import TenantId

# Never changes: a provider is found by an id made in it.
PROVIDERS_NAMESPACE = UUID("c0a5b2de-9f0e-5b8b-8a64-6e0f0d8f3a21")
NAME_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"
# Answers without a provider, and is the same for everybody.
RESERVED_NAMES = frozenset({"offline"})
MODELS_MAX = 200
MODEL_CHARACTERS_MAX = 200
ADDRESS_CHARACTERS_MAX = 2048

AddressRule: TypeAlias = Literal["needed", "optional", "fixed"]


@dataclass(frozen=True, slots=True)
class Kind:
    """address: fixed is spoken to by a library that would follow it to wherever it leads."""

    address: AddressRule = "optional"
    is_key_needed: bool = True


_OWN_SERVER = Kind("needed", is_key_needed=False)
_FIXED = Kind("fixed")

# By litellm's names, and `openai_compatible` for every other server that speaks OpenAI's protocol.
KINDS: Mapping[str, Kind] = {
    "anthropic": _FIXED,
    "azure": Kind("needed"),
    "cerebras": Kind(),
    "cohere": _FIXED,
    "deepinfra": Kind(),
    "deepseek": Kind(),
    "gemini": _FIXED,
    "groq": Kind(),
    "hosted_vllm": _OWN_SERVER,
    "litellm_proxy": _OWN_SERVER,
    "llamafile": _OWN_SERVER,
    "lm_studio": _OWN_SERVER,
    "mistral": Kind(),
    "nvidia_nim": Kind(),
    "ollama": _OWN_SERVER,
    "openai": Kind(),
    "openai_compatible": _OWN_SERVER,
    "openrouter": Kind(),
    "together_ai": Kind(),
    "xai": Kind(),
}


class ProviderNotFound(NotFound):
    """There is no such provider."""


def provider_id(tenant_id: TenantId, user_id: UUID | None, name: str) -> UUID:
    """user_id: None is the tenant's own."""
    return uuid5(PROVIDERS_NAMESPACE, f"{tenant_id}/{user_id or ''}/{name}")


def address_mistake(api_base: str) -> str | None:
    """Why this is no address of an API; None when it may be one. Where it leads is checked when it
    is called.
    """
    try:
        parts = urlsplit(api_base)
        is_plain = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.username is None
            and parts.password is None
            and not parts.query
            and not parts.fragment
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        is_plain = False
    is_odd = not api_base.isascii() or not api_base.isprintable() or set(api_base) & {" ", "\\"}
    if not is_plain or is_odd or len(api_base) > ADDRESS_CHARACTERS_MAX:
        return "an http or https address without user, password, query or fragment is expected"
    return None


@dataclass(frozen=True, slots=True)
class ProviderText:
    """What is known of a provider beside its key. models: those that may be called; none is all.
    key_from: the name of the secret that is its key, if it has none of its own.
    """

    kind: str
    api_base: str | None = None
    models: Sequence[str] = field(default_factory=tuple[str, ...])
    has_key: bool = False
    key_from: str | None = None


class Provider(Aggregate):
    TOPIC = "provider"

    class Created(Aggregate.Created):
        """user_id: whose it is; None is everybody's of the tenant."""

        TOPIC = "provider.created"
        name: str
        user_id: str | None

    class Configured(Aggregate.Event):
        TOPIC = "provider.configured"
        provider_version: int
        kind: str
        api_base: str | None
        models: list[str]
        has_key: bool
        key_from: str | None

    class Removed(Aggregate.Event):
        TOPIC = "provider.removed"

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        name: str,
        user_id: str | None,
    ) -> None:
        self.name = name
        self.user_id = user_id
        self.provider_version = 0
        self.text: ProviderText | None = None

    @property
    def subject_id(self) -> UUID | None:
        """With whom it goes; None when it is the tenant's."""
        return None if self.user_id is None else UUID(self.user_id)

    def configure(self, text: ProviderText) -> None:
        """Replaces all of it, the key too: a key that stayed could be sent to another address."""
        self._configured(
            provider_version=self.provider_version + 1,
            kind=text.kind,
            api_base=text.api_base,
            models=list(text.models),
            has_key=text.has_key,
            key_from=text.key_from,
        )

    def remove(self) -> None:
        """Raises ProviderNotFound."""
        if self.text is None:
            raise ProviderNotFound
        self._removed()

    @event(Configured)
    def _configured(
        self,
        *,
        provider_version: int,
        kind: str,
        api_base: str | None,
        models: list[str],
        has_key: bool,
        key_from: str | None,
    ) -> None:
        self.provider_version = provider_version
        self.text = ProviderText(kind, api_base, tuple(models), has_key, key_from)

    @event(Removed)
    def _removed(self) -> None:
        self.text = None
