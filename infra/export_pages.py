"""Pages, newest first, and exports of many of them: a bounded number at a time, for each reads as
much as a tenant has.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from domain.errors import OverLimit

RETRY_AFTER_S = 10.0

Item = TypeVar("Item")
Place = TypeVar("Place")


class TooManyExports(OverLimit):
    """As many exports as this process makes at a time are under way; try again in a while."""

    code = "too_many_exports"


# Without slots: on Python 3.11 the class with its types filled in could not be called.
@dataclass(frozen=True)
class Page(Generic[Item, Place]):
    """next_before: what the next page begins before, None when there is none."""

    items: Sequence[Item]
    next_before: Place | None


# The page before a place, of at most so many items.
PageBefore: TypeAlias = Callable[[Place | None, int], Awaitable[Page[Item, Place]]]


class Exports:
    """Those under way in this process. count_max: at a time. page_max: items of one page."""

    def __init__(self, count_max: int, page_max: int) -> None:
        self._count_max = count_max
        self._page_max = page_max
        self._count = 0

    async def pages(
        self, page_before: PageBefore[Place, Item], before: Place | None, items_max: int
    ) -> AsyncGenerator[Page[Item, Place]]:
        """Of at most items_max items together, at least one page. Raises TooManyExports at the
        first.
        """
        if self._count >= self._count_max:
            raise TooManyExports(retry_after_s=RETRY_AFTER_S)
        self._count += 1
        try:
            left = items_max
            while left > 0:
                page = await page_before(before, min(left, self._page_max))
                yield page
                before = page.next_before
                if before is None:
                    return
                left -= max(len(page.items), 1)
        finally:
            self._count -= 1
