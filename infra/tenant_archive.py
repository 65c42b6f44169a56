"""The archive of everything of a tenant: a tar of JSON lines, with a manifest as its last file.

    events/000001.jsonl ... read_models/<name>/000001.jsonl ... payloads/<sha256>.json ...
    manifest.json

It is made as it is sent, from files that are small enough for memory; nothing of it is kept. One
that was cut off has no manifest, and is told apart by that.
"""

import hashlib
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import IO, NamedTuple

import orjson

MANIFEST = "manifest.json"
FORMAT = "agentledger-tenant-export/1"
BLOCK = tarfile.BLOCKSIZE
END = b"\0" * (2 * BLOCK)
CHUNK_BYTES = 1 << 20


class ArchiveFile(NamedTuple):
    """lines: how many things it tells of."""

    name: str
    content: bytes
    lines: int


class ArchiveDamaged(Exception):
    """It is not what was exported; the message says what differs."""


async def archived(
    files: AsyncGenerator[ArchiveFile], told: Mapping[str, str]
) -> AsyncIterator[bytes]:
    """The bytes of the tar, file after file. told: what the manifest says besides."""
    listed: list[dict[str, object]] = []
    async with aclosing(files):
        async for file in files:
            sha256 = hashlib.sha256(file.content).hexdigest()
            listed.append(
                {
                    "name": file.name,
                    "bytes": len(file.content),
                    "lines": file.lines,
                    "sha256": sha256,
                }
            )
            yield _entry(file.name, file.content)
    manifest = {"format": FORMAT, **told, "files": listed}
    yield _entry(MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2)) + END


def _entry(name: str, content: bytes) -> bytes:
    head = tarfile.TarInfo(name)
    head.size = len(content)
    head.mode = 0o600
    return head.tobuf(tarfile.USTAR_FORMAT) + content + b"\0" * (-len(content) % BLOCK)


def verify_archive(path: Path) -> dict[str, int]:
    """How many lines of each kind it has, given that it is whole. Raises ArchiveDamaged."""
    found: dict[str, tuple[int, str]] = {}
    manifest: bytes | None = None
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is None or manifest is not None or member.name in found:
                    message = f"{member.name} does not belong here"
                    raise ArchiveDamaged(message)
                if member.name == MANIFEST:
                    manifest = content.read()
                else:
                    found[member.name] = (member.size, _sha256_of(content))
    except tarfile.TarError as error:
        raise ArchiveDamaged(str(error)) from error
    if manifest is None:
        message = "it has no manifest: it was cut off"
        raise ArchiveDamaged(message)
    return _compared(manifest, found)


def _sha256_of(content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := content.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def _compared(manifest: bytes, found: dict[str, tuple[int, str]]) -> dict[str, int]:
    try:
        document = orjson.loads(manifest)
        listed = {file["name"]: (file["bytes"], file["sha256"]) for file in document["files"]}
        counts: dict[str, int] = {}
        for file in document["files"]:
            kind = file["name"].rpartition("/")[0]
            counts[kind] = counts.get(kind, 0) + file["lines"]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        message = "its manifest cannot be read"
        raise ArchiveDamaged(message) from error
    for name in sorted(listed.keys() | found.keys()):
        if listed.get(name) != found.get(name):
            message = f"{name} differs from what the manifest says"
            raise ArchiveDamaged(message)
    return counts
