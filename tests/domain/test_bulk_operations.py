"""A bulk operation counts what it did, page by page, and completes once."""

from uuid import UUID

import pytest

from domain.bulk_operations import (
    REFUSALS_MAX,
    BulkOperation,
    BulkOperationCompleted,
    a_refusal,
)
from domain.identifiers import JsonObject
from tests.domain.given import Act, Story, given

OPERATION_ID = UUID("01890000-0000-7000-8000-0000000000ff")
PAGE = [UUID(int=number) for number in (9, 8, 7)]


def an_operation(executions_max: int = 100) -> Story[BulkOperation]:
    operation = BulkOperation(
        id=OPERATION_ID,
        action="cancel",
        filter={"status": "RUNNING"},
        parameters={},
        cursor=str(OPERATION_ID),
        executions_max=executions_max,
        created_by="user:ada",
    )
    return given(Story(operation))


def refusals(count: int) -> list[JsonObject]:
    return [a_refusal(UUID(int=number), "refused", "no") for number in range(count)]


def progress(page: list[UUID], refused: list[JsonObject], *, has_more: bool) -> Act:
    return lambda story: story.aggregate.progress(page, refused, has_more=has_more)


def test_a_page_moves_the_cursor_to_its_last_execution() -> None:
    story = an_operation().when(progress(PAGE, refusals(1), has_more=True))
    story.then(
        (
            "bulk_operation.progressed",
            {
                "cursor": str(PAGE[-1]),
                "done_count": 2,
                "refused_count": 1,
                "refusals": refusals(1),
            },
        )
    )
    assert (story.aggregate.cursor, story.aggregate.left_count) == (PAGE[-1], 97)


def test_the_last_page_completes_it() -> None:
    story = an_operation().when(progress(PAGE, [], has_more=False))
    story.then_topics("bulk_operation.progressed", "bulk_operation.completed")
    assert story.aggregate.is_completed


def test_nothing_to_do_completes_it_at_once() -> None:
    an_operation().when(progress([], [], has_more=False)).then_topics("bulk_operation.completed")


def test_it_completes_when_it_has_looked_at_as_many_as_it_may() -> None:
    story = an_operation(3).when(progress(PAGE, [], has_more=True))
    story.then_topics("bulk_operation.progressed", "bulk_operation.completed")


def test_only_the_first_refusals_are_kept_and_all_are_counted() -> None:
    page = [UUID(int=number) for number in range(15)]
    story = given(
        an_operation(),
        progress(page, refusals(15), has_more=True),
        progress(page, refusals(15), has_more=True),
    )
    assert len(story.aggregate.refusals) == REFUSALS_MAX
    assert story.aggregate.refused_count == 30


def cancel(story: Story[BulkOperation]) -> None:
    story.aggregate.cancel()


def test_one_that_is_cancelled_tells_the_page_under_way_and_does_not_complete() -> None:
    story = an_operation().when(cancel).then_topics("bulk_operation.cancelled")
    story.when(progress(PAGE, [], has_more=False)).then_topics("bulk_operation.progressed")
    assert (story.aggregate.is_completed, story.aggregate.is_over) == (False, True)
    story.when(cancel).then()


def test_one_that_completed_cannot_be_cancelled() -> None:
    with pytest.raises(BulkOperationCompleted):
        given(an_operation(), progress([], [], has_more=False), cancel)
