"""What the audit trail says of a request, besides who sent it and what came of it."""

from starlette.types import Scope

# Where an endpoint leaves the position of what its command stored.
POSITION_SCOPE_KEY = "agentledger.position"

# What a path may hold and the trail repeat: names and ids. Keys, tokens and codes are not among
# them, so a new parameter is left out until somebody says that it is no secret.
TOLD_PARAMETERS = frozenset({"name", "provider", "sha256"})


def audited_target(scope: Scope) -> str | None:
    told = [
        f"{name}={value}"
        for name, value in scope.get("path_params", {}).items()
        if name in TOLD_PARAMETERS or name.endswith("_id")
    ]
    return " ".join(told) or None
