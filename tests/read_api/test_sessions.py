"""Where people are logged in."""

from domain.sessions import Session
from tests.projections.histories import IDS, a_tenant
from tests.projections.identity_histories import a_session
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

QUERY = (
    "{ sessions { edges { node { id userId factors client createdAt expiresAt endedAt endReason } }"
    " } }"
)


async def test_the_sessions_of_a_tenant_are_listed_newest_first(api: Api) -> None:
    user_id = IDS.new()
    older = a_session(api.tenant_id, user_id=str(user_id)).happens(
        Session.Ended, reason="logged_out"
    )
    newer = a_session(api.tenant_id)
    await api.happened(older, newer, a_session(a_tenant()))
    for query in (QUERY, by_resolvers(QUERY)):
        edges = (await api.read(query))["sessions"]["edges"]
        first, second = (edge["node"] for edge in edges)
        assert (first["id"], first["endReason"]) == (str(newer.stream_id), None)
        assert second == {
            "id": str(older.stream_id),
            "userId": str(user_id),
            "factors": ["password", "totp"],
            "client": "curl/8",
            "createdAt": "2026-01-01T00:00:01+00:00",
            "expiresAt": "2026-02-01T00:00:00+00:00",
            "endedAt": "2026-01-01T00:00:02+00:00",
            "endReason": "logged_out",
        }
