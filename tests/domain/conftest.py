"""Failures inside the stories show what differs, as they do in tests; events happen when their
story says; and every story that a test told can be taken up again from wherever its worker may have
died.
"""

import pytest
from eventsourcing import domain as library

from tests.domain.given import LIVED, TOLD, event_time
from tests.domain.resuming import require_an_end_from_every_version


@pytest.fixture(autouse=True)
def _it_resumes_from_every_version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Properties say that of their runs themselves: they have thousands."""
    monkeypatch.setattr(library, "datetime_now_with_tzinfo", event_time)
    LIVED.clear()
    TOLD.clear()
    yield
    lived, has_many = list(LIVED), hasattr(request.function, "hypothesis")
    LIVED.clear()
    for run in [] if has_many else lived:
        require_an_end_from_every_version(run)
