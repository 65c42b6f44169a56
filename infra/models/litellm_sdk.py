"""The only place that imports litellm: how it is switched off from the network, and the little we
take from it.

Its import costs seconds and 190 MB, so it happens on first use, in a thread (see
litellm_adapter.py).
"""

import importlib
import logging
import os
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from domain.identifiers import JsonObject

# Read while it is imported: no .env file, no download of prices, headers, posts or tokenizers, no
# retries of its own.
OFFLINE_SWITCHES = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_DISABLE_BUG_REPORT_LINK": "true",
    "HF_HUB_OFFLINE": "1",
    # It takes 0 retries of an embedding for "not said", and then this.
    "DEFAULT_MAX_RETRIES": "0",
}


class Dumped(Protocol):
    def model_dump(self) -> JsonObject: ...


class Stream(Protocol):
    """litellm's CustomStreamWrapper, as far as we use it.

    chunks: as the provider sent them, with its usage if it reported any. The finish reasons: the
    provider's own, while the last chunk of the iteration says "stop" even when the provider said
    nothing.
    """

    chunks: Sequence[object]
    received_finish_reason: str | None
    intermittent_finish_reason: str | None

    def __aiter__(self) -> AsyncIterator[Dumped]: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Sdk:
    """complete, embed: litellm.acompletion, litellm.aembedding. provider_of: raises `failure`.
    failure: the root of what its calls raise.
    """

    complete: Callable[..., Awaitable[object]]
    embed: Callable[..., Awaitable[object]]
    provider_of: Callable[[str], str]
    failure: type[Exception]
    close: Callable[[], Awaitable[None]]


def import_sdk() -> Sdk:
    """Import and switch off what phones home or writes logs. Takes seconds; safe to call again."""
    os.environ.update(OFFLINE_SWITCHES)
    # Raised by pydantic about litellm's own types at the first call; of no use to whoever runs us.
    warnings.filterwarnings("ignore", message="Item '.*' on TypedDict class", category=UserWarning)
    import litellm
    import openai  # The root of its errors; it comes with litellm.
    from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER
    from litellm.llms.custom_httpx.async_client_cleanup import (
        close_litellm_async_clients,
    )

    # Else the first call imports it, and holds the event loop for a second.
    importlib.import_module("openai.resources")

    litellm.suppress_debug_info = True
    litellm.disable_hf_tokenizer_download = True
    litellm.disable_aiohttp_trust_env = True
    litellm.disable_streaming_logging = True
    litellm.turn_off_message_logging = True
    # Its log lines repeat the provider's errors, and those may quote prompts and keys.
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)

    async def close() -> None:
        await GLOBAL_LOGGING_WORKER.stop()
        await close_litellm_async_clients()

    return Sdk(
        complete=cast("Callable[..., Awaitable[object]]", litellm.acompletion),
        embed=cast("Callable[..., Awaitable[object]]", litellm.aembedding),
        provider_of=lambda model: litellm.get_llm_provider(model)[1],
        failure=openai.OpenAIError,
        close=close,
    )
