"""Documents of identity providers, kept for a while: every login would read two of them."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from commands.oauth_port import LoginRefused

DOCUMENTS_MAX = 1000
# Whoever sends tokens with invented keys makes us ask the provider no oftener than this.
REFRESHED_S_MIN = 30.0


@dataclass(frozen=True, slots=True)
class _Kept:
    document: Mapping[str, Any]
    read_at_s: float


class KeptDocuments:
    """read: raises LoginRefused. Failures are not kept."""

    def __init__(
        self,
        read: Callable[[object], Awaitable[Any]],
        *,
        kept_s: float,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._read = read
        self._kept_s = kept_s
        self._monotonic_s = monotonic_s
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def get(self, url: object, *, is_fresh: bool = False) -> Mapping[str, Any]:
        """is_fresh: read again unless that was done just now. Raises LoginRefused."""
        if not isinstance(url, str):
            raise LoginRefused("the provider does not say where its documents are")
        kept = self._kept.get(url)
        age_s_max = REFRESHED_S_MIN if is_fresh else self._kept_s
        if kept is not None and self._monotonic_s() - kept.read_at_s < age_s_max:
            self._kept.move_to_end(url)
            return kept.document
        told = await self._read(url)
        if not isinstance(told, dict):
            raise LoginRefused("the provider answered no JSON object")
        document = cast("dict[str, Any]", told)
        self._kept[url] = _Kept(document, self._monotonic_s())
        if len(self._kept) > DOCUMENTS_MAX:
            self._kept.popitem(last=False)
        return document
