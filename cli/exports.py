"""`agentledger verify-export`: whether an archive of a tenant is whole and unchanged, and with the
public keys of the seals whether its events are those that were sealed. It needs no installation.
"""

from pathlib import Path
from typing import NoReturn

import orjson
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cli.complaints import EXIT_FAILED, complain
from domain.identifiers import JsonObject
from infra.export_proofs import NotReadable, Proved, prove_archive, read_kept
from infra.seal_documents import read_public_keys
from infra.tenant_archive import ArchiveDamaged, verify_archive


def verify_export(path: Path, *, public_key: Path | None, since: Path | None, is_json: bool) -> int:
    if since is not None and public_key is None:
        complain("--since needs --public-key.")
    try:
        counts = verify_archive(path)
        proved = None
        if public_key is not None:
            kept = None if since is None else read_kept(since)
            proved = prove_archive(path, _public_keys(public_key), kept)
    except OSError as error:
        complain(f"{error.filename or path} cannot be read: {error.strerror}.")
    except (ArchiveDamaged, NotReadable) as error:
        complain(f"{path} is not whole: {error}.")
    is_ok = proved is None or proved.ok
    if is_json:
        document = {"ok": is_ok, "lines": counts, "seal": proved and _document(proved)}
        typer.echo(orjson.dumps(document).decode())
    else:
        for kind, count in counts.items():
            typer.echo(f"{kind:<32} {count}")
        if proved is not None:
            _print(proved)
    return 0 if is_ok else EXIT_FAILED


def _public_keys(path: Path) -> dict[str, Ed25519PublicKey]:
    try:
        return read_public_keys(orjson.loads(path.read_bytes()))
    except OSError as error:
        complain(f"{path} cannot be read: {error.strerror}.")
    except (ValueError, KeyError, TypeError, AttributeError):
        _no_keys(path)


def _no_keys(path: Path) -> NoReturn:
    complain(f"{path} has no Ed25519 keys: /.well-known/seal-keys.json of the installation has.")


def _document(proved: Proved) -> JsonObject:
    seal = proved.signed and proved.signed.seal
    return {
        "number": seal and seal.number,
        "sealed_at": seal and seal.sealed_at.isoformat(),
        "key_id": seal and seal.key_id,
        "tenant_id": proved.tenant_id and str(proved.tenant_id),
        "proved": proved.events,
        "erased": [*proved.erased],
        "unsealed": proved.unsealed,
        "violations": [*proved.violations],
    }


def _print(proved: Proved) -> None:
    if proved.signed is not None:
        seal = proved.signed.seal
        typer.echo(
            f"seal {seal.number} of {seal.sealed_at.isoformat(timespec='seconds')}, tenant"
            f" {proved.tenant_id}, key {seal.key_id}:"
        )
    typer.echo(f"{proved.events} events are proved, {proved.unsealed} came after the seal")
    for name in proved.erased:
        typer.echo(f"  erased: {name}")
    for violation in proved.violations:
        typer.echo(f"  broken: {violation}")
