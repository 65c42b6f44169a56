"""Java servers that tests run: jars that Maven fetches once, and the machine's Java."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

TOOLS = Path(__file__).parents[1] / ".agentledger-tools"
JAVA_VERSION_MIN = 17
JAVA_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
FETCH_WAIT_S = 600


class NoServer(Exception):
    """This server cannot be had here; the message says why in one sentence."""


def java() -> str:
    """Raises NoServer."""
    found = shutil.which("java")
    if found is None:
        raise NoServer(f"No Java is installed: {JAVA_VERSION_MIN} or newer is needed.")
    shown = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = shown.partition('"')[2].partition(".")[0].partition('"')[0]
    if not version.isdigit() or int(version) < JAVA_VERSION_MIN:
        raise NoServer(f"Java {JAVA_VERSION_MIN} or newer is needed; `java` says: {shown}")
    return found


def jars(pom: Path, name: str) -> Path:
    """The directory of the jars that `pom` names, fetched once per version of it. Raises
    NoServer.
    """
    libraries = TOOLS / f"{name}-libs"
    wanted = libraries / hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    libraries.mkdir(parents=True, exist_ok=True)
    with (libraries / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Several workers of one test run may want them at once.
        if not wanted.exists():
            partial = wanted.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            _fetch(pom, partial, libraries)
            partial.rename(wanted)
    return wanted


def _fetch(pom: Path, target: Path, libraries: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise NoServer("No Maven is installed to fetch the server's jars.")
    command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    if not os.access(Path.home(), os.W_OK):
        command.append(f"-Dmaven.repo.local={libraries / 'repository'}")
    fetched = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=FETCH_WAIT_S
    )
    if fetched.returncode:
        raise NoServer(f"Maven could not fetch the server's jars: {fetched.stdout[-2000:]}")
