"""Texts as vectors: without a provider, and by whoever speaks OpenAI's /embeddings."""

import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

from commands.embedding_port import Embedding
from commands.model_port import ModelFailed, ModelRequest
from domain.usage import Measured
from infra.models.guarded_posts import Guard
from infra.models.offline_embeddings import DIMENSIONS, HASH, OfflineEmbeddings, hashed
from infra.models.openai_protocol import OpenAiProtocolModels
from tests.infra.models.subjects import KEY, PROMPT, Subject, only, request_for
from tests.openai_server import Answer, error

OURS = only("openai_protocol")


def likeness(one: str, other: str) -> float:
    return sum(a * b for a, b in zip(hashed(one), hashed(other), strict=True))


async def embeds(subject: Subject) -> Embedding:
    assert isinstance(subject.models, OpenAiProtocolModels)
    return await subject.models.embed(subject.request)


async def fails(subject: Subject) -> ModelFailed:
    with pytest.raises(ModelFailed) as caught:
        await embeds(subject)
    return caught.value


def test_texts_with_words_in_common_are_nearer_than_those_without() -> None:
    text = "Chase unpaid invoices"
    near, far = likeness(text, "remind of an unpaid invoice"), likeness(text, "Water the plants")
    assert near > 0.3 > far
    assert likeness(text, text) == pytest.approx(1)
    assert likeness(text, "CHASE, unpaid: invoices!") == pytest.approx(1)


def test_the_offline_vector_is_the_same_for_ever() -> None:
    """What was embedded by another release is compared with it."""
    told = {at: round(number, 4) for at, number in enumerate(hashed("ab")) if number}
    assert told == {54: 0.8165, 69: 0.4082, 186: -0.4082}
    assert len(hashed("ab")) == DIMENSIONS
    assert math.hypot(*hashed("any text at all")) == pytest.approx(1)


def test_a_text_without_words_has_no_direction() -> None:
    assert not any(hashed(" ... "))


async def test_no_other_offline_model_embeds() -> None:
    request = request_for("offline/echo", None)
    with pytest.raises(ModelFailed, match=HASH):
        await OfflineEmbeddings().embed(request)


@OURS
async def test_the_text_goes_out_and_its_vector_comes_back(subject: Subject) -> None:
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    embedding = await embeds(subject.given(Answer(vector=(0.6, -0.8, 1), usage=usage)))
    assert list(embedding.vector) == [0.6, -0.8, 1.0]
    assert embedding.measured == Measured({"embedding_tokens": 7})
    assert subject.server is not None
    (received,) = subject.server.requests
    assert received.path == "/v1/embeddings"
    assert received.body["input"] == [PROMPT]
    assert received.headers["Authorization"] == f"Bearer {KEY}"


@OURS
async def test_what_nobody_reports_is_estimated_and_never_nothing(subject: Subject) -> None:
    embedding = await embeds(subject.given(Answer(usage=None)))
    assert embedding.measured.source == "estimated"
    assert embedding.measured.quantities["embedding_tokens"] >= 1


@OURS
@pytest.mark.parametrize(
    ("status", "code"), [(429, "rate_limited"), (401, "unauthorized"), (503, "unavailable")]
)
async def test_a_refusal_has_its_code_and_none_of_the_text(
    subject: Subject, status: int, code: str
) -> None:
    failure = await fails(subject.given(error(status, message=f"no {PROMPT} {KEY}")))
    assert failure.code == code
    assert PROMPT not in failure.message
    assert KEY not in failure.message


@OURS
@pytest.mark.parametrize(
    "vector",
    [(), ("a",), (True,), tuple([0.1] * 16_001)],
    ids=["empty", "words", "truth", "too long"],
)
async def test_an_answer_that_is_no_vector_is_a_failure(
    subject: Subject, vector: tuple[Any, ...]
) -> None:
    assert (await fails(subject.given(Answer(vector=vector)))).code == "unavailable"


@OURS
async def test_numbers_that_are_none_are_a_failure(subject: Subject) -> None:
    body = b'{"data": [{"embedding": [1e999, 0]}]}'
    assert (await fails(subject.given(Answer(body=body)))).code == "unavailable"


@pytest.fixture
async def unguarded() -> AsyncIterator[OpenAiProtocolModels]:
    models = OpenAiProtocolModels({}, connections_max=1, guard=Guard(frozenset()))
    yield models
    await models.aclose()


async def test_an_address_of_a_tenants_is_guarded(unguarded: OpenAiProtocolModels) -> None:
    """127.0.0.1 is let through by nobody."""
    request = ModelRequest(
        "openai/m", [{"role": "user", "content": "x"}], {}, 1, 5, "k", "http://127.0.0.1:9/v1", "k"
    )
    with pytest.raises(ModelFailed) as caught:
        await unguarded.embed(request)
    assert caught.value.code == "invalid"
