"""What a process loads before it begins to work, each user and each test waits for: an import in
the wrong place is a tenth of a second of every start, and nobody notices.
"""

import subprocess
import sys

import pytest

from tests.architecture.sources import ROOT

OF_THE_API = ("cli.api", "fastapi", "graphql", "read_api", "strawberry", "write_api")
OF_WORKERS = ("aiohttp", "cli.worker", "commands.catalogue", "sagas")
# The first who asks for one of these waits for it, once in a process.
OF_THE_FIRST_WHO_ASKS = ("aiokafka", "authlib", "httpx", "jsonschema", "litellm", "scim2_models")


@pytest.mark.parametrize(
    ("entry", "unneeded"),
    [
        ("cli.serve, cli.roles, cli.verify", (*OF_THE_API, *OF_WORKERS, *OF_THE_FIRST_WHO_ASKS)),
        ("cli.api, cli.worker", OF_THE_FIRST_WHO_ASKS),
    ],
    ids=["projectors and commands", "the API and workers"],
)
def test_a_process_loads_only_what_it_needs(entry: str, unneeded: tuple[str, ...]) -> None:
    script = f"import sys, {entry}; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not set(unneeded) & set(ran.stdout.split())
