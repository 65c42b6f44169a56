"""The library of CEL, without its command line, which its package loads too: 380 modules, a tenth
of a second and 10 MB of every process.
"""

import sys
from types import ModuleType

sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))

import cel  # noqa: E402 # after that

__all__ = ["cel"]
