"""The answer of a model as it comes: a sign of life, and something to look at.

A call streams only where somebody wants it: not every provider tells what a stream used.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from domain.attempts import Attempt
from sagas.blots import Blots
from sagas.effects import Effects, Run

OnToken = Callable[[str], None]


def is_heard(attempt: Attempt, run: Run, on: Effects) -> bool:
    """Whether somebody looks at the answer as it comes, or at signs of life."""
    return attempt.heartbeat_s is not None or on.live_text.is_followed(
        run.tenant_id, run.execution_id
    )


@contextmanager
def live_answer(
    attempt: Attempt, run: Run, on: Effects, hidden: Blots | None
) -> Generator[OnToken]:
    """What takes the text. hidden: what must not be told."""
    with on.live_text.call(
        run.tenant_id, run.execution_id, attempt.path, attempt.number
    ) as live_call:
        tell, finish = _told(live_call.tell, hidden)

        def heard(text: str) -> None:
            run.beat()
            tell(text)

        yield heard
        finish()


def _told(tell: OnToken, hidden: Blots | None) -> tuple[OnToken, Callable[[], None]]:
    """What is given piece by piece without what is hidden, and what tells the rest of it."""
    if hidden is None:
        return tell, lambda: None
    held = ""

    def heard(text: str) -> None:
        nonlocal held
        held = hidden.text(held + text)
        # A secret may have begun in the last characters.
        is_safe = max(len(held) - hidden.form_characters_max, 0)
        safe, held = held[:is_safe], held[is_safe:]
        if safe:
            tell(safe)

    def finish() -> None:
        if held:
            tell(held)

    return heard, finish
