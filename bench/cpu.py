"""Who used the processors during a measurement: we, or somebody whose work spoils the figures."""

import os
import resource
from dataclasses import dataclass

import psutil

from bench.stage import Stage


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of processor time since the machine started, of everybody and of this run."""

    everybody_s: float
    ours_s: float
    available_s: float

    def others_share(self, before: "Spent") -> float:
        """The part of the machine that neither we nor idling had since `before`."""
        others_s = (self.everybody_s - before.everybody_s) - (self.ours_s - before.ours_s)
        return max(0.0, others_s / (self.available_s - before.available_s))


def spent(stage: Stage) -> Spent:
    times = psutil.cpu_times()
    available_s = sum(getattr(times, kind) for kind in ("user", "system", "idle"))
    available_s += sum(getattr(times, kind, 0.0) for kind in ("nice", "iowait", "irq", "softirq"))
    available_s += getattr(times, "steal", 0.0)
    idle_s = times.idle + getattr(times, "iowait", 0.0)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    alive = psutil.Process().children(recursive=True)
    ours_s = own_s() + server_s(stage) + ended.ru_utime + ended.ru_stime + _sum_s(alive)
    return Spent(available_s - idle_s, ours_s, available_s)


def own_s() -> float:
    times = os.times()
    return times.user + times.system


def server_s(stage: Stage) -> float:
    """PostgreSQL with all its sessions, those that have ended too."""
    pid_file = stage.directory / "postgres" / "postmaster.pid"
    postmaster = psutil.Process(int(pid_file.read_text("utf-8").splitlines()[0]))
    ended = postmaster.cpu_times()
    sessions = postmaster.children(recursive=True)
    return ended.children_user + ended.children_system + _sum_s([postmaster, *sessions])


def _sum_s(processes: list[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
