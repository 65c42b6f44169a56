"""Imports every module of the packages it is given: what the Python that runs this cannot start is
found here.

`make check-oldest` runs it on the oldest Python that is promised and found on this machine.
"""

import importlib
import pkgutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> int:
    sys.path.insert(0, str(ROOT))
    names = [
        module.name
        for package in sys.argv[1:]
        for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}.")
        if not module.name.endswith(".__main__")  # They run.
    ]
    for name in names:
        importlib.import_module(name)
    version = ".".join(map(str, sys.version_info[:3]))
    sys.stdout.write(f"Python {version}: all {len(names)} modules can be imported\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
