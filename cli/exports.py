"""`agentledger verify-export`: whether an archive of a tenant is whole and unchanged."""

from pathlib import Path

import orjson
import typer

from cli.session import complain
from infra.tenant_archive import ArchiveDamaged, verify_archive


def verify_export(path: Path, *, is_json: bool) -> int:
    try:
        counts = verify_archive(path)
    except OSError as error:
        complain(f"{path} cannot be read: {error.strerror}.")
    except ArchiveDamaged as error:
        complain(f"{path} is not whole: {error}.")
    if is_json:
        typer.echo(orjson.dumps({"ok": True, "lines": counts}).decode())
    else:
        for kind, count in counts.items():
            typer.echo(f"{kind:<32} {count}")
    return 0
