"""What of a request may reach a provider: a list of what is allowed, for it comes from tenants.

litellm takes keys, addresses, mock answers, headers, callbacks and file names by the same keyword
arguments as `temperature`, so whatever is not known to be harmless is refused, and refused aloud.
Left out on purpose: what would bill in ways prices.py does not know (`n`, `service_tier`,
`web_search_options`, audio). Types are checked, because some providers' adapters inside litellm
fail on a wrong one as if the network had failed; ranges are the provider's business.
"""

from collections.abc import Mapping, Sequence

from domain.identifiers import Json, JsonObject
from infra.models.failures import failed

ROLES = ("assistant", "developer", "system", "tool", "user")
# How long an answer may be, in tokens.
LIMITS = ("max_tokens", "max_completion_tokens")
ALLOWED: Mapping[str, tuple[type, ...]] = {
    "frequency_penalty": (int, float),
    "logit_bias": (dict,),
    "max_completion_tokens": (int,),
    "max_tokens": (int,),
    "parallel_tool_calls": (bool,),
    "presence_penalty": (int, float),
    "reasoning_effort": (str,),
    "response_format": (dict,),
    "seed": (int,),
    "stop": (str, list),
    "temperature": (int, float),
    "thinking": (dict,),
    "tool_choice": (str, dict),
    "tools": (list,),
    "top_k": (int,),
    "top_p": (int, float),
    "user": (str,),
    "verbosity": (str,),
}


def answer_limit(parameters: Mapping[str, Json]) -> int | None:
    """The least that is asked for; None: nothing is."""
    least: int | None = None
    if parameters:
        for name in LIMITS:
            limit = parameters.get(name)
            if isinstance(limit, int) and not isinstance(limit, bool):
                least = max(limit if least is None else min(limit, least), 0)
    return least


def checked_parameters(parameters: Mapping[str, Json]) -> JsonObject:
    """The parameters without nulls. Raises ModelFailed `invalid` for one that may not go out."""
    for name, value in parameters.items():
        if name not in ALLOWED:
            known = ", ".join(sorted(ALLOWED))
            raise failed("invalid", f"parameters.{name[:64]} is not one of {known}")
        if value is not None and not _is_one_of(value, ALLOWED[name]):
            kinds = " or ".join(kind.__name__ for kind in ALLOWED[name])
            raise failed("invalid", f"parameters.{name} must be of type {kinds}")
    if not _are_functions(parameters.get("tools") or []):
        raise failed("invalid", "parameters.tools must be tools of type function with a name")
    return {name: value for name, value in parameters.items() if value is not None}


def checked_messages(messages: Sequence[Mapping[str, Json]]) -> list[JsonObject]:
    """The messages as they go out. Raises ModelFailed `invalid`, with the place of the mistake."""
    for place, message in enumerate(messages):
        if message.get("role") not in ROLES:
            raise failed("invalid", f"messages[{place}].role is not one of {', '.join(ROLES)}")
        content = message.get("content")
        parts = content if isinstance(content, list) else []
        is_text = content is None or isinstance(content, str | list)
        if not is_text or not all(isinstance(part, dict) for part in parts):
            raise failed("invalid", f"messages[{place}].content must be text or a list of objects")
    return [dict(message) for message in messages]


def _is_one_of(value: Json, kinds: tuple[type, ...]) -> bool:
    """A boolean is an int to Python, but not to a provider."""
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)


def _are_functions(tools: Json) -> bool:
    """Tools that a provider runs itself (search, code, MCP servers) reach the network and bill on
    their own.
    """
    return isinstance(tools, list) and all(
        isinstance(tool, dict)
        and tool.get("type") == "function"
        and isinstance(function := tool.get("function"), dict)
        and isinstance(function.get("name"), str)
        for tool in tools
    )
