"""An archive is whole, or says what is wrong with it."""

import io
import tarfile
from collections.abc import AsyncGenerator
from pathlib import Path

import orjson
import pytest

from infra.tenant_archive import (
    BLOCK,
    MANIFEST,
    ArchiveDamaged,
    ArchiveFile,
    archived,
    verify_archive,
)

FILES = (
    ArchiveFile("events/000001.jsonl", b'{"a": 1}\n{"a": 2}\n', 2),
    ArchiveFile("events/000002.jsonl", b'{"a": 3}\n', 1),
    ArchiveFile("read_models/agents/000001.jsonl", b"x" * (3 * BLOCK), 1),
)


async def made(*files: ArchiveFile) -> bytes:
    async def given() -> AsyncGenerator[ArchiveFile]:
        for file in files:
            yield file

    return b"".join([chunk async for chunk in archived(given(), {"tenant_id": "t"})])


def stored(directory: Path, content: bytes) -> Path:
    path = directory / "export.tar"
    path.write_bytes(content)
    return path


async def test_what_was_archived_is_read_back_with_hashes_and_counts(tmp_path: Path) -> None:
    path = stored(tmp_path, await made(*FILES))
    assert verify_archive(path) == {"events": 3, "read_models/agents": 1}
    with tarfile.open(path) as archive:
        names = archive.getnames()
        manifest = archive.extractfile(MANIFEST)
        assert manifest is not None
        document = orjson.loads(manifest.read())
    assert names == [*(file.name for file in FILES), MANIFEST]
    assert document["tenant_id"] == "t"
    assert [file["bytes"] for file in document["files"]] == [len(file.content) for file in FILES]


async def test_a_byte_that_changed_is_found_and_its_file_named(tmp_path: Path) -> None:
    content = bytearray(await made(*FILES))
    content[content.index(b'"a": 3') + 5] ^= 1
    with pytest.raises(ArchiveDamaged, match=r"events/000002\.jsonl differs"):
        verify_archive(stored(tmp_path, bytes(content)))


async def test_one_that_was_cut_off_has_no_manifest(tmp_path: Path) -> None:
    content = await made(*FILES)
    cut = content[: content.index(MANIFEST.encode())]
    with pytest.raises(ArchiveDamaged, match="no manifest"):
        verify_archive(stored(tmp_path, cut))


async def test_a_file_that_was_taken_out_is_missed(tmp_path: Path) -> None:
    whole, two = await made(*FILES), await made(*FILES[:2])
    place = whole.index(b"read_models/agents/000001")
    without = two[: two.index(MANIFEST.encode())] + whole[whole.index(MANIFEST.encode()) :]
    assert place > 0
    with pytest.raises(ArchiveDamaged, match="read_models/agents"):
        verify_archive(stored(tmp_path, without))


async def test_a_file_that_was_put_in_does_not_belong(tmp_path: Path) -> None:
    extra = tarfile.TarInfo("events/000009.jsonl")
    content = await made(*FILES)
    manifest_at = content.index(MANIFEST.encode())
    forged = content[:manifest_at] + extra.tobuf(tarfile.USTAR_FORMAT) + content[manifest_at:]
    with pytest.raises(ArchiveDamaged, match="events/000009"):
        verify_archive(stored(tmp_path, forged))


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100])
async def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ArchiveDamaged):
        verify_archive(stored(tmp_path, content))


async def test_a_manifest_that_is_no_json_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        head = tarfile.TarInfo(MANIFEST)
        head.size = 2
        archive.addfile(head, io.BytesIO(b"{]"))
    with pytest.raises(ArchiveDamaged, match="manifest cannot be read"):
        verify_archive(stored(tmp_path, buffer.getvalue()))
