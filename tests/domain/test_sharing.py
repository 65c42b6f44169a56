"""Sharing of a workflow or an agent."""

from uuid import UUID

import pytest

from domain.sharing import (
    SHARES_MAX,
    Share,
    ShareNotFound,
    Sharing,
    TooManyShares,
    share_id,
)
from tests.domain.facts import fact_of

WORKFLOW_ID, ADA = UUID(int=1), UUID(int=2)
WITH_ADA = Share(str(ADA), None, "view")
ADA_MAY_RUN = Share(str(ADA), None, "execute")
WITH_VIEWERS = Share(None, "VIEWER", "view")


def a_sharing(*shares: Share) -> Sharing:
    sharing = Sharing(id=UUID(int=3), shared_kind="workflow", shared_id=str(WORKFLOW_ID))
    for share in shares:
        sharing.grant(share)
    sharing.collect_events()
    return sharing


def test_a_share_says_with_whom_what_for() -> None:
    sharing = a_sharing()
    granted_id = sharing.grant(WITH_ADA)
    (event,) = sharing.collect_events()
    assert fact_of(event) == (
        "sharing.granted",
        {
            "shared_kind": "workflow",
            "shared_id": str(WORKFLOW_ID),
            "share_id": granted_id,
            "user_id": str(ADA),
            "role": None,
            "access": "view",
        },
    )


def test_what_is_shared_already_is_not_shared_again() -> None:
    sharing = a_sharing(WITH_ADA)
    assert sharing.grant(WITH_ADA) == str(share_id(WORKFLOW_ID, WITH_ADA))
    assert not sharing.pending_events


def test_one_share_ends_or_all_that_are_with_somebody() -> None:
    sharing = a_sharing(WITH_ADA, ADA_MAY_RUN, WITH_VIEWERS)
    assert sharing.end(share_id(WORKFLOW_ID, ADA_MAY_RUN)) == [ADA_MAY_RUN]
    sharing.grant(ADA_MAY_RUN)
    assert sharing.end(ADA) == [WITH_ADA, ADA_MAY_RUN]
    assert list(sharing.shares.values()) == [WITH_VIEWERS]
    with pytest.raises(ShareNotFound):
        sharing.end(ADA)


def test_all_shares_end_with_what_was_shared() -> None:
    sharing = a_sharing(WITH_ADA, WITH_VIEWERS)
    assert sharing.end_all() == [WITH_ADA, WITH_VIEWERS]
    assert sharing.shares == {}


def test_there_are_only_so_many_shares() -> None:
    sharing = a_sharing(*(Share(str(UUID(int=n)), None, "view") for n in range(SHARES_MAX)))
    sharing.grant(Share(str(UUID(int=0)), None, "view"))
    with pytest.raises(TooManyShares):
        sharing.grant(WITH_VIEWERS)
