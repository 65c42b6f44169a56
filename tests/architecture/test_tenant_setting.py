"""A tenant is set for a transaction, never for a session: a connection outlives its user."""

import re

from tests.architecture.sources import ROOT

FOR_A_SESSION = re.compile(
    r"set_config\(\s*'app\.[^)]*,\s*false\s*\)|\bSET\s+(SESSION\s+)?app\.|[-]c\s*app\.",
    re.IGNORECASE,
)
PACKAGES = ("cli", "commands", "infra", "projections", "read_api", "sagas", "write_api", "bench")


def sources() -> dict[str, str]:
    return {
        str(path.relative_to(ROOT)): path.read_text()
        for package in PACKAGES
        for kind in ("*.py", "*.sql")
        for path in (ROOT / package).rglob(kind)
    }


def test_nobody_sets_a_tenant_for_a_session() -> None:
    assert {name for name, text in sources().items() if FOR_A_SESSION.search(text)} == set()


def test_the_search_would_find_it() -> None:
    for text in (
        "SELECT set_config('app.tenant_id', %s, false)",
        "SET app.tenant_id = 'x'",
        "set session app.tenant_id to 'x'",
        "options=-c app.tenant_id=x",
    ):
        assert FOR_A_SESSION.search(text), text
    assert not FOR_A_SESSION.search("SELECT set_config('app.tenant_id', %s, true)")
