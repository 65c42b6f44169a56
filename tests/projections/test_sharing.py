"""shares."""

from domain.sharing import Share, Sharing, share_id
from projections.fold import rows_after
from projections.sharing import SHARES
from tests.projections.histories import IDS, a_workflow, at
from tests.projections.identity_histories import a_sharing


def test_each_share_is_a_row_that_says_whether_it_has_ended() -> None:
    workflow, user_id = a_workflow(), IDS.new()
    with_ada, with_viewers = Share(str(user_id), None, "execute"), Share(None, "VIEWER", "view")
    sharing = a_sharing(workflow, with_ada, with_viewers)
    ended_id = share_id(workflow.stream_id, with_viewers)
    sharing.happens(Sharing.Ended, share_id=str(ended_id))
    told = {
        "tenant_id": workflow.tenant_id,
        "sharing_id": sharing.stream_id,
        "shared_id": workflow.stream_id,
        "shared_kind": "workflow",
        "created_by": workflow.actor,
    }
    rows = {row["share_id"]: row for row in rows_after(SHARES, sharing.events)}
    assert rows == {
        share_id(workflow.stream_id, with_ada): {
            **told,
            "share_id": share_id(workflow.stream_id, with_ada),
            "user_id": user_id,
            "role": None,
            "access": "execute",
            "is_ended": False,
            "created_at": at(2),
            "version": 2,
        },
        ended_id: {
            **told,
            "share_id": ended_id,
            "user_id": None,
            "role": "VIEWER",
            "access": "view",
            "is_ended": True,
            "created_at": at(3),
            "version": 4,
        },
    }
