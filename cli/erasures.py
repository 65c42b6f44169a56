"""`agentledger erasures`: the ledger of destroyed keys. It is kept apart from backups, because a
restored one brings back keys, and replayed after each restore.
"""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import orjson
import typer

from cli.complaints import complain
from cli.session import installation, owner_connection, run, settings_or_complain
from infra.erasure import DestroyedKey, destroyed_keys, replay_ledger


def list_erasures() -> int:
    """One JSON document a line."""

    async def work() -> int:
        async with (
            installation(settings_or_complain()) as settings,
            owner_connection(settings) as conn,
        ):
            for one in await destroyed_keys(conn):
                typer.echo(orjson.dumps(one._asdict()).decode())
        return 0

    return run(work)


def replay_erasures(file: Path) -> int:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except OSError as error:
        complain(f"the ledger cannot be read: {error.strerror}.")
    ledger = _ledger(text.splitlines())

    async def work() -> int:
        async with (
            installation(settings_or_complain()) as settings,
            owner_connection(settings) as conn,
        ):
            destroyed = await replay_ledger(conn, ledger)
        typer.echo(f"{len(ledger)} destroyed keys; {destroyed} had come back and are destroyed")
        return 0

    return run(work)


def _ledger(lines: Sequence[str]) -> list[DestroyedKey]:
    ledger: list[DestroyedKey] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            told = orjson.loads(line)
            ledger.append(
                DestroyedKey(
                    UUID(told["tenant_id"]),
                    UUID(told["subject_id"]),
                    datetime.fromisoformat(told["destroyed_at"]),
                )
            )
        except (ValueError, KeyError, TypeError):
            complain(f"line {number} is none of a ledger of `agentledger erasures list`.")
    return ledger
