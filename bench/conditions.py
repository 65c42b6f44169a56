"""The machine a measurement ran on. A figure without its conditions says nothing."""

import os
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console

from domain.identifiers import JsonObject

LOAD_MAX = 1.0
ADDITIONS = 1_000_000
FSYNCS = 200
FSYNC_BYTES = 8192  # One page of PostgreSQL's log, as pg_test_fsync writes it.
MEMORY_FILE_SYSTEMS = {"tmpfs", "ramfs"}
SECRET_SETTINGS = {"AGENTLEDGER_MASTER_KEY", "AGENTLEDGER_OPERATOR_KEY", "AGENTLEDGER_DATABASE_URL"}


@dataclass(frozen=True, slots=True)
class Conditions:
    """fsync_us: median of one 8 KiB write with fdatasync where the database lies.

    additions_ms: a million of them in a loop, in this Python. It says what the processor gives in
    this minute, and how the interpreter was built: one that was compiled without profile-guided
    optimization, as pyenv does by default, takes half as long again.

    settings: what the environment changes.
    """

    cores: int
    cpu: str
    kernel: str
    memory_gib: float
    file_system: str
    fsync_us: float
    load_average: float
    python: str
    additions_ms: float
    postgres: str
    settings: dict[str, str]

    def as_json(self) -> JsonObject:
        return asdict(self)

    def warnings(self) -> list[str]:
        """Why the figures of this run may not be compared with others."""
        found: list[str] = []
        if self.load_average > LOAD_MAX:
            found.append(
                f"the load average was {self.load_average:.1f} at the start:"
                " something else is running here, so the figures are not valid"
            )
        if self.file_system in MEMORY_FILE_SYSTEMS:
            found.append(
                f"the database lies on {self.file_system}, where an fsync costs nothing:"
                " set TMPDIR to a directory on a disk"
            )
        return found


def read_conditions(directory: Path, postgres_version: str) -> Conditions:
    """directory: where the database of this run lies. Read before anything else runs."""
    return Conditions(
        cores=len(os.sched_getaffinity(0)),
        cpu=_cpu_model(),
        kernel=f"{platform.system()} {platform.release()}",
        memory_gib=round(psutil.virtual_memory().total / 1024**3, 1),
        file_system=_file_system(directory),
        fsync_us=round(_fsync_us(directory), 1),
        load_average=round(os.getloadavg()[0], 2),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        additions_ms=round(_additions_ms(), 1),
        postgres=postgres_version,
        settings={
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith("AGENTLEDGER_") and name not in SECRET_SETTINGS
        },
    )


def print_conditions(console: Console, conditions: Conditions) -> None:
    console.print(
        f"{conditions.cores} cores of {conditions.cpu}, {conditions.memory_gib} GiB,"
        f" {conditions.kernel}, {conditions.python}"
        f" (a million additions {conditions.additions_ms:.0f} ms)\n"
        f"PostgreSQL {conditions.postgres} with fsync on {conditions.file_system}, one fsync"
        f" {conditions.fsync_us:.0f} µs; load average {conditions.load_average}",
        highlight=False,
    )
    for name, value in conditions.settings.items():
        console.print(f"set by the environment: {name}={value}", highlight=False)
    for warning in conditions.warnings():
        console.print(f"[bold red]warning[/bold red]: {warning}", highlight=False)
    console.print()


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _file_system(directory: Path) -> str:
    """The type of the file system whose mount point is nearest above."""
    mounted = [
        part
        for part in psutil.disk_partitions(all=True)
        if directory.resolve().is_relative_to(part.mountpoint)
    ]
    return max(mounted, key=lambda part: len(part.mountpoint)).fstype if mounted else "unknown"


def _additions_ms() -> float:
    began_at = time.perf_counter()
    total = 0
    for number in range(ADDITIONS):
        total += number
    return (time.perf_counter() - began_at) * 1e3


def _fsync_us(directory: Path) -> float:
    path = directory / "fsync-probe"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    page = b"\x5a" * FSYNC_BYTES
    try:
        os.pwrite(descriptor, page, 0)
        os.fsync(descriptor)
        return statistics.median(_one_fsync_s(descriptor, page) for _ in range(FSYNCS)) * 1e6
    finally:
        os.close(descriptor)
        path.unlink()


def _one_fsync_s(descriptor: int, page: bytes) -> float:
    began_at = time.perf_counter()
    os.pwrite(descriptor, page, 0)
    os.fdatasync(descriptor)
    return time.perf_counter() - began_at
