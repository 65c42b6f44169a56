"""How far the read models are behind."""

from commands.authorization import ROLE_GRANTS, Caller
from projections.catalogue import PROJECTIONS
from tests.projections.histories import IDS, a_finished_run
from tests.read_api.api import KEY, Api

QUERY = """{ projections { name version eventsBehind isExact secondsBehind parked
  rebuildProgress { eventsDone eventsTotal remainingSeconds } } }"""


async def test_every_projection_says_how_far_it_is_behind(lone_api: Api) -> None:
    await lone_api.happened(a_finished_run(lone_api.tenant_id))
    await lone_api.record(a_finished_run(lone_api.tenant_id))
    behind = {status["name"]: status for status in (await lone_api.read(QUERY))["projections"]}
    assert list(behind) == [projection.name for projection in PROJECTIONS]
    version_of = {projection.name: projection.version for projection in PROJECTIONS}
    for status in behind.values():
        assert status["secondsBehind"] > 0
        assert {**status, "name": "", "secondsBehind": 0} == {
            "name": "",
            "version": version_of[status["name"]],
            "eventsBehind": 7,
            "isExact": True,
            "secondsBehind": 0,
            "parked": 0,
            "rebuildProgress": None,
        }


async def test_a_parked_stream_is_counted(lone_api: Api) -> None:
    await lone_api.happened(a_finished_run(lone_api.tenant_id).logs("execution.unheard_of", b"{}"))
    parked = {s["name"]: s["parked"] for s in (await lone_api.read(QUERY))["projections"]}
    assert (parked["executions"], parked["workflows"]) == (1, 0)


async def test_roles_and_what_is_behind_the_log_are_told_to_who_reads_all(api: Api) -> None:
    query = (
        "{ system { roles { role processes seenAt } lags { name eventsBehind secondsBehind } } }"
    )
    told = (await api.read(query))["system"]
    assert [one["name"] for one in told["lags"]] == ["seal"]
    grants = ROLE_GRANTS["USER"]
    api.callers.known[KEY] = Caller(
        "user:x", api.tenant_id, grants.scopes, user_id=IDS.new(), own_only=grants.own_only
    )
    assert await api.refused(query) == "forbidden"
