"""How a command ends that cannot do what it was asked."""

import sys
from typing import NoReturn

EXIT_FAILED = 1


def complain(sentence: str) -> NoReturn:
    """One clear sentence on standard error, and a non-zero exit."""
    sys.stderr.write(f"agentledger: {sentence}\n")
    raise SystemExit(EXIT_FAILED)
