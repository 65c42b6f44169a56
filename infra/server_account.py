"""As whom the embedded PostgreSQL runs: ourselves, or an account of its own when root asks.

PostgreSQL refuses to run as root.
"""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

ACCOUNT = "pgserver"


class NoServerAccount(Exception):
    """Root asked for a server and no other account can run it; the message is one sentence."""


def server_account(cluster: Path) -> pwd.struct_passwd | None:
    """The account that owns `cluster` or will own it; None for the caller itself.

    Root's first call creates it.
    """
    if os.geteuid() != 0:
        return None
    with suppress(FileNotFoundError, KeyError):
        owner_id = cluster.stat().st_uid
        if owner_id != 0:
            return pwd.getpwuid(owner_id)
    with suppress(KeyError):
        return pwd.getpwnam(ACCOUNT)
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    command = [useradd or "useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    try:
        subprocess.run([*command, ACCOUNT], check=True, capture_output=True)
        return pwd.getpwnam(ACCOUNT)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        raise NoServerAccount(
            f"PostgreSQL refuses to run as root and the account {ACCOUNT} could not be created: "
            "run agentledger as an ordinary user."
        ) from error


def give(path: Path, account: pwd.struct_passwd | None) -> None:
    if account:
        os.chown(path, account.pw_uid, account.pw_gid)


def run_as(
    account: pwd.struct_passwd | None, command: Sequence[str], *, places: Sequence[Path]
) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end as the account, which must be able to reach `places`."""
    closed = _closed_to_others(places) if account else []
    if account and closed:
        command = [*_prefix_past_closed_directories(account, closed[0]), *command]
        account = None
    return subprocess.run(
        command,
        # The caller's PG* variables, locale and working directory may not change what it does.
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        cwd="/",
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        capture_output=True,
        text=True,
        check=False,
    )


def _closed_to_others(places: Sequence[Path]) -> list[Path]:
    ways = [way for place in places for way in (*reversed(place.parents), place)]
    return [way for way in ways if not way.stat().st_mode & stat.S_IXOTH]


def _prefix_past_closed_directories(account: pwd.struct_passwd, closed: Path) -> list[str]:
    """Drops root but still passes closed directories, as a checkout in root's home needs.

    Opening those directories to everybody would disclose more than this one capability does.
    """
    prefix = [
        *("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"),
        *("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--"),
    ]
    with suppress(FileNotFoundError):
        if (
            subprocess.run([*prefix, "ls", closed], check=False, capture_output=True).returncode
            == 0
        ):
            return prefix
    raise NoServerAccount(
        f"PostgreSQL refuses to run as root and its account {account.pw_name} may not enter "
        f"{closed}: run `chmod o+x {closed}`, or run agentledger as an ordinary user."
    )
