"""What `up` keeps in its data directory: the keys made at the first start, and the demo tenant's
credentials.

The files are readable by their owner only. A deployment brings its keys by environment and has no
such files.
"""

import os
import secrets
from pathlib import Path

import orjson
from pydantic import SecretStr

from domain.identifiers import JsonObject
from infra.settings import Settings

KEYS_FILE = "keys.json"
DEMO_FILE = "demo.json"
SERVER_FILE = "server.json"


class InstallationError(Exception):
    """The data directory cannot be used; the message is one sentence for a person."""


class PortUnavailable(Exception):
    """The API cannot listen; the message is one sentence for a person."""


def prepare(data_dir: Path) -> None:
    """Creates the directory. Raises InstallationError when that is not possible."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        probe = data_dir / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        message = f"The data directory {data_dir} cannot be used: {error.strerror}."
        raise InstallationError(message) from error


def with_keys(settings: Settings) -> Settings:
    """The settings with the keys of this installation where the environment names none; made once,
    then kept.
    """
    path = settings.data_dir / KEYS_FILE
    kept = read_json(path) or {}
    if settings.master_key is None and "master_key" not in kept:
        kept["master_key"] = secrets.token_urlsafe(32)
    if settings.operator_key is None and "operator_key" not in kept:
        kept["operator_key"] = f"op_{secrets.token_urlsafe(32)}"
    if kept != (read_json(path) or {}):
        write_json(path, kept)
    return settings.model_copy(
        update={
            "master_key": settings.master_key or SecretStr(str(kept["master_key"])),
            "operator_key": settings.operator_key or SecretStr(str(kept["operator_key"])),
        }
    )


def read_json(path: Path) -> JsonObject | None:
    try:
        return orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None


def write_json(path: Path, content: JsonObject) -> None:
    """Replaces the file as a whole; nobody but its owner can read it at any moment."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    fresh.replace(path)
