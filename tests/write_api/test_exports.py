"""GET /tenant/export."""

import io
import tarfile

import orjson

from infra.tenant_archive import ArchiveFile
from tests.write_api.api import OPERATOR_KEY, Api, problem
from write_api.exports import EXPORTS_AT_ONCE_MAX


async def test_everything_of_the_callers_tenant_comes_as_an_archive(api: Api) -> None:
    api.exports.files_of[api.world.tenant_id] = [ArchiveFile("events/000001.jsonl", b"{}\n", 1)]
    response = await api.send("GET", "/tenant/export")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-tar"
    assert "attachment" in response.headers["content-disposition"]
    with tarfile.open(fileobj=io.BytesIO(response.content)) as archive:
        assert archive.getnames() == ["events/000001.jsonl", "manifest.json"]
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        assert orjson.loads(manifest.read())["tenant_id"] == str(api.world.tenant_id)


async def test_the_operator_exports_no_tenant(api: Api) -> None:
    headers = {"X-Operator-Key": OPERATOR_KEY}
    problem(await api.send("GET", "/tenant/export", headers=headers), 403, "forbidden")


async def test_so_many_at_once_are_refused_with_a_time_to_try_again(api: Api) -> None:
    api.exports.running_count = EXPORTS_AT_ONCE_MAX
    response = await api.send("GET", "/tenant/export")
    problem(response, 429, "exports_busy")
    assert int(response.headers["Retry-After"]) > 0
    api.exports.running_count = 0
    assert (await api.send("GET", "/tenant/export")).status_code == 200
    assert api.exports.running_count == 0
