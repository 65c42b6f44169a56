"""`agentledger verify-licence`: whether a licence is what its issuer signed, is valid at a time,
and is not on a list of revoked ones. It needs no installation and no network.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import typer

from cli.complaints import EXIT_FAILED, complain
from infra.clock import SystemClock
from infra.licence_documents import (
    IssuerKeys,
    NotValid,
    read_issuer_keys,
    verify_licence,
    verify_revocations,
)

BYTES_MAX = 8 * 2**20


def verify(
    path: Path, *, public_key: Path, revocations: Path | None, at: str | None, is_json: bool
) -> int:
    clock = SystemClock()
    instant = clock.now() if at is None else _instant(at)
    keys = _keys(public_key)
    try:
        listed = None
        if revocations is not None:
            listed = verify_revocations(_document(revocations, "revocations"), keys)
        claims = verify_licence(_document(path, "document"), keys, at=instant, revocations=listed)
    except NotValid as reason:
        if is_json:
            typer.echo(orjson.dumps({"ok": False, "reason": str(reason)}).decode())
        else:
            typer.echo(f"{path} is not valid: {reason}.")
        return EXIT_FAILED
    told = {"number": listed.number, "issued_at": listed.issued_at} if listed else None
    if is_json:
        typer.echo(orjson.dumps({"ok": True, "licence": claims, "revocations": told}).decode())
    else:
        _print(claims, told)
    return 0


def _print(claims: dict[str, Any], revocations: dict[str, Any] | None) -> None:
    typer.echo(
        f"{claims['product']} for {claims['licensee']}: {claims['seats']} seats, issued by"
        f" {claims['issuer_name']} ({claims['iss']}), serial {claims['serial']}"
    )
    typer.echo(f"valid until {datetime.fromtimestamp(claims['exp']).astimezone().isoformat()}")
    if revocations is None:
        typer.echo("Whether it was revoked is not known: no list of revocations was given.")
    else:
        typer.echo(f"not on the list of revocations {revocations['number']}")


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        complain(f"{text} is no time: RFC 3339 is expected.")
    if instant.tzinfo is None:
        complain(f"{text} says no offset, such as +00:00.")
    return instant


def _document(path: Path, name: str) -> str:
    """The text alone, or in the JSON that the installation answers with."""
    text = _read(path).decode(errors="replace").strip()
    try:
        told: Any = orjson.loads(text)
        return str(told.get("data", told)[name])
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return text


def _keys(path: Path) -> IssuerKeys:
    try:
        return read_issuer_keys(orjson.loads(_read(path)))
    except (ValueError, KeyError, TypeError, AttributeError):
        complain(f"{path} has no Ed25519 keys: /api/v1/licence-issuers/<id>/keys has.")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(BYTES_MAX)
    except OSError as error:
        complain(f"{path} cannot be read: {error.strerror}.")
