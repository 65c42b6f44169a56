"""What the audit trail says of a request, besides who sent it and what came of it."""

import re

from starlette.types import Scope

# Where an endpoint leaves the position of what its command stored.
POSITION_SCOPE_KEY = "agentledger.position"

# What a path may hold and the trail repeat: names that tenants gave, and ids that are ids. Keys,
# tokens and codes are not among them: a new parameter is left out until somebody says that it is no
# secret.
TOLD_NAMES = frozenset({"name", "provider"})
ID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def audited_target(scope: Scope) -> str | None:
    told = [
        f"{name}={value}"
        for name, value in scope.get("path_params", {}).items()
        if name in TOLD_NAMES or (name.endswith("_id") and ID.fullmatch(value))
    ]
    return " ".join(told) or None
