"""Providers that speak the OpenAI protocol, and where one call to them goes. One line per provider.

Names, addresses and variables are those of litellm, so a model name means the same by either way.
The operator's keys (environment) only go to the operator's or the provider's own address: a caller
that brings its own `api_base` brings its own key, else it could collect ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from commands.model_port import ModelRequest
from infra.models.failures import failed

_URL_CHARACTERS_MAX = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """key_names, base_names: environment variables, the first that is set counts. base: None = must
    be given.

    renamed: parameters that go out under another name at the provider's own address.
    """

    base: str | None
    base_names: tuple[str, ...]
    key_names: tuple[str, ...]
    is_key_required: bool = True
    path: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    reports_usage_unasked: bool = False


# Mistral answers 422 to stream_options, and reports usage in streams anyway:
# https://github.com/openai/openai-agents-python/issues/442
PROVIDERS: Mapping[str, Provider] = {
    "openai": Provider(
        base="https://api.openai.com/v1",
        base_names=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        key_names=("OPENAI_API_KEY",),
        renamed={"max_tokens": "max_completion_tokens"},  # The reasoning models know only this.
    ),
    "mistral": Provider(
        base="https://api.mistral.ai/v1",
        base_names=("MISTRAL_AZURE_API_BASE", "MISTRAL_API_BASE"),
        key_names=("MISTRAL_AZURE_API_KEY", "MISTRAL_API_KEY"),
        renamed={"seed": "random_seed", "max_completion_tokens": "max_tokens"},
        reports_usage_unasked=True,
    ),
    "cerebras": Provider(
        base="https://api.cerebras.ai/v1",
        base_names=("CEREBRAS_API_BASE",),
        key_names=("CEREBRAS_API_KEY",),
    ),
    "deepinfra": Provider(
        base="https://api.deepinfra.com/v1/openai",
        base_names=("DEEPINFRA_API_BASE",),
        key_names=("DEEPINFRA_API_KEY",),
    ),
    "deepseek": Provider(
        base="https://api.deepseek.com/v1",
        base_names=("DEEPSEEK_API_BASE",),
        key_names=("DEEPSEEK_API_KEY",),
        renamed={"max_completion_tokens": "max_tokens"},
    ),
    "groq": Provider(
        base="https://api.groq.com/openai/v1",
        base_names=("GROQ_API_BASE",),
        key_names=("GROQ_API_KEY",),
    ),
    "hosted_vllm": Provider(
        base=None,
        base_names=("HOSTED_VLLM_API_BASE",),
        key_names=("HOSTED_VLLM_API_KEY",),
        is_key_required=False,
    ),
    "litellm_proxy": Provider(
        base=None,
        base_names=("LITELLM_PROXY_API_BASE",),
        key_names=("LITELLM_PROXY_API_KEY",),
        is_key_required=False,
    ),
    "llamafile": Provider(
        base="http://127.0.0.1:8080/v1",
        base_names=("LLAMAFILE_API_BASE",),
        key_names=("LLAMAFILE_API_KEY",),
        is_key_required=False,
    ),
    "lm_studio": Provider(
        base=None,
        base_names=("LM_STUDIO_API_BASE",),
        key_names=("LM_STUDIO_API_KEY",),
        is_key_required=False,
    ),
    "nvidia_nim": Provider(
        base="https://integrate.api.nvidia.com/v1",
        base_names=("NVIDIA_NIM_API_BASE",),
        key_names=("NVIDIA_NIM_API_KEY",),
    ),
    "ollama": Provider(
        base="http://localhost:11434",
        base_names=("OLLAMA_API_BASE",),
        key_names=("OLLAMA_API_KEY",),
        is_key_required=False,
        path="/v1",  # litellm's addresses of Ollama are those of its own protocol.
    ),
    "openrouter": Provider(
        base="https://openrouter.ai/api/v1",
        base_names=("OPENROUTER_API_BASE",),
        key_names=("OPENROUTER_API_KEY",),
    ),
    "together_ai": Provider(
        base="https://api.together.ai/v1",
        base_names=("TOGETHER_AI_API_BASE",),
        key_names=("TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY"),
    ),
    "xai": Provider(
        base="https://api.x.ai/v1",
        base_names=("XAI_API_BASE",),
        key_names=("XAI_API_KEY",),
    ),
}

# At an address of a tenant's they speak OpenAI's protocol; elsewhere litellm knows the way.
WITH_ADDRESS_ONLY: Mapping[str, Provider] = {
    "azure": Provider(base=None, base_names=(), key_names=(), path="/openai/v1"),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one call goes. url: of what is asked for, such as the chat completions. is_guarded: the
    address came with the request.
    """

    provider: str
    model: str
    url: str
    api_key: str | None = field(repr=False)
    renamed: Mapping[str, str]
    is_usage_asked: bool
    is_guarded: bool


def endpoint_of(
    request: ModelRequest, environment: Mapping[str, str], resource: str = "chat/completions"
) -> Endpoint:
    """Raises ModelFailed when address or key is missing or malformed; nothing was sent then."""
    name, _, model = request.model.partition("/")
    provider = PROVIDERS.get(name) or WITH_ADDRESS_ONLY[name]
    base = request.api_base
    if base is None:
        base = _first(environment, provider.base_names) or provider.base
    if base is None:
        raise failed("invalid", f"{name} needs an api_base (or {provider.base_names[0]})")
    api_key = request.api_key
    if api_key is None and request.api_base is None:
        api_key = _first(environment, provider.key_names)
    if api_key is None and request.api_base is None and provider.is_key_required:
        raise failed("unauthorized", f"no key for {name}: set {provider.key_names[0]}")
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        raise failed("unauthorized", f"the key for {name} has characters that no key has")
    return Endpoint(
        provider=name,
        model=model,
        url=_url(base, provider.path, resource),
        api_key=api_key,
        renamed=provider.renamed if base == provider.base else {},
        is_usage_asked=not provider.reports_usage_unasked,
        is_guarded=request.api_base is not None,
    )


def check_api_base(api_base: str) -> None:
    """Raises ModelFailed `invalid` unless this is a plain http(s) address without credentials,
    query or fragment.
    """
    try:
        parts = urlsplit(api_base)
        # Raises for labels that are empty or too long, which the resolver would only find later.
        (parts.hostname or "").encode("idna")
        is_plain = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.username is None
            and not parts.query
            and not parts.fragment
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        is_plain = False
    has_odd = (
        not api_base.isascii() or not api_base.isprintable() or "\\" in api_base or " " in api_base
    )
    if not is_plain or has_odd or len(api_base) > _URL_CHARACTERS_MAX:
        raise failed("invalid", "api_base must be an http or https address without credentials")


def _url(base: str, path: str, resource: str) -> str:
    check_api_base(base)
    address = base.rstrip("/")
    if path and not address.endswith(path):
        address += path
    return f"{address}/{resource}"


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environment[name] for name in names if environment.get(name)), None)
