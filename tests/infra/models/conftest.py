"""The adapters under test, and the warnings of libraries that are not ours to mend."""

from collections.abc import AsyncIterator

import pytest

from infra.models.guarded_posts import Guard
from infra.models.litellm_adapter import LitellmModels
from infra.models.offline import OfflineModels
from infra.models.openai_protocol import OpenAiProtocolModels
from tests.infra.models.subjects import EVERYWHERE, Subject, request_for
from tests.openai_server import LOOPBACK, openai_server

# pydantic about litellm's own types, at its first call and in its streams.
LITELLM_WARNINGS = (
    "ignore:Item '.*' on TypedDict class:UserWarning",
    "ignore:Accessing the 'model_.*fields':DeprecationWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith("tests/infra/models/"):
            for warning in LITELLM_WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(params=EVERYWHERE)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "offline":
        yield Subject(OfflineModels(), request_for("offline/script", None), None)
        return
    adapter, _, provider = request.param.partition("_")
    models = (
        LitellmModels()
        if adapter == "litellm"
        else OpenAiProtocolModels({}, connections_max=4, guard=Guard(LOOPBACK))
    )
    model = f"{provider if adapter == 'litellm' else 'openai'}/test-model"
    async with openai_server() as server:
        yield Subject(models, request_for(model, server.api_base), server)
        await models.aclose()
