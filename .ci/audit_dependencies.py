"""Are there known vulnerabilities in what requirements.lock names? Fails only when there are: where
the registry of advisories does not answer, or does not know a package, this says so and passes.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DEADLINE_S = 120
REQUEST_TIMEOUT_S = 10
SHOWN_MAX = 20


def say(sentence: str) -> None:
    sys.stdout.write(f"dependencies: {sentence}\n")


def audited(requirements: Path, deadline_s: float, options: list[str]) -> list[Any] | None:
    """What pip-audit says of each dependency; None, and said, when it says nothing."""
    command = [
        *(sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps"),
        *("-r", str(requirements), "-f", "json", "--progress-spinner", "off"),
        *("--timeout", str(REQUEST_TIMEOUT_S), *options),
    ]
    try:
        done = subprocess.run(  # a list of our own words
            command, capture_output=True, text=True, timeout=deadline_s, check=False
        )
    except subprocess.TimeoutExpired:
        say(f"not checked, the registry of advisories took longer than {deadline_s:g} s")
        return None
    try:
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        say(f"not checked: {reason}")
        return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requirements", type=Path, default=ROOT / "requirements.lock")
    parser.add_argument("--deadline-s", type=float, default=DEADLINE_S)
    arguments, options = parser.parse_known_args()
    dependencies = audited(arguments.requirements, arguments.deadline_s, options)
    if dependencies is None:
        return 0
    unknown = [one["name"] for one in dependencies if "skip_reason" in one]
    vulnerable = [one for one in dependencies if one.get("vulns")]
    checked = len(dependencies) - len(unknown)
    if unknown:
        say(f"{len(unknown)} not checked, the registry does not know them here")
    say(f"{checked} checked, {len(vulnerable)} with a known vulnerability")
    for one in vulnerable[:SHOWN_MAX]:
        ids = ", ".join(vulnerability["id"] for vulnerability in one["vulns"])
        fixes = {fix for vulnerability in one["vulns"] for fix in vulnerability["fix_versions"]}
        say(f"  {one['name']} {one['version']}: {ids}; fixed in {', '.join(sorted(fixes)) or '-'}")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
