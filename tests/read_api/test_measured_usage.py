"""Usage that is of no attempt: the time of runs, what is kept, and texts that were embedded."""

from datetime import UTC, datetime

from tests.projections.usage_histories import an_embedding_call, run_metered, storage_measured
from tests.read_api.api import Api
from tests.read_api.test_usage import a_call, facts, usage


async def test_the_time_of_a_run_is_a_meter_and_a_fact_of_the_run(api: Api) -> None:
    run = run_metered(a_call(api.tenant_id, "2026-01-05T10:00:00+00:00"))
    run.events[-1] = run.events[-1]._replace(recorded_at=datetime(2026, 1, 5, 11, tzinfo=UTC))
    await api.happened(run)
    meters = await usage(api, by=["METER"], filter=[{"dimension": "METER", "value": "run_seconds"}])
    assert [(one["quantity"], one["unit"], one["costUsd"]) for one in meters] == [
        (3, "seconds", "0.03")
    ]
    fact, _ = await facts(api)
    assert (fact["executionId"], fact["source"], fact["prices"]) == (
        str(run.stream_id),
        "measured",
        "tenant/3",
    )
    told = await api.read(
        "query($id: ID!) { execution(id: $id) { costUsd } }", id=str(run.stream_id)
    )
    assert told["execution"]["costUsd"] == "0.030013"


async def test_what_was_kept_is_of_no_run_and_nothing_is_unpriced(api: Api) -> None:
    await api.happened(storage_measured(api.tenant_id))
    (bucket,) = await usage(api, by=["METER"])
    assert (bucket["quantity"], bucket["unit"]) == (1_500, "byte_days")
    assert (bucket["costUsd"], bucket["hasUnpriced"]) == ("0", False)
    (fact,) = await facts(api)
    assert (fact["executionId"], fact["source"]) == (None, "measured")


async def test_a_text_that_was_embedded_costs_its_tokens_of_its_model(api: Api) -> None:
    await api.happened(an_embedding_call(api.tenant_id))
    filter_ = [{"dimension": "METER", "value": "embedding_tokens"}]
    (bucket,) = await usage(api, by=["METER"], filter=filter_)
    assert (bucket["quantity"], bucket["costUsd"]) == (7, "0.00000014")
    (fact,) = await facts(api)
    told = (fact["executionId"], fact["source"], fact["model"])
    assert told == (None, "provider", "ours/embedder")
