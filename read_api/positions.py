"""Positions as clients hold them: what a command answered, or an event's own, in one notation.

`<era>-<tx_id>-<shard>:<notification_id>[,...]` (infra/read_positions.py); opaque to clients.
"""

from infra.event_log import LoggedEvent, Position
from infra.read_positions import PositionToken
from read_api.errors import refuse

ERA_MAX = 2**15 - 1
NUMBER_MAX = 2**63 - 1


def position_text(event: LoggedEvent) -> str:
    place = event.position
    return place_text(place.era, place.tx_id, event.shard, place.notification_id)


def place_text(era: int, tx_id: int, shard: int, notification_id: int) -> str:
    return f"{era}-{tx_id}-{shard}:{notification_id}"


def parse_position(text: str) -> PositionToken:
    """Raises RequestRefused."""
    try:
        token = PositionToken.parse(text)
    except ValueError:
        token = None
    if token is None or not _is_storable(token):
        raise refuse("bad_position", "The position is not one that this API gave out.")
    return token


def last_place(token: PositionToken) -> Position:
    """All places of a token are in one transaction; what comes after the last of them is new."""
    return max(token.positions().values())


def _is_storable(token: PositionToken) -> bool:
    numbers = [token.tx_id, *token.notification_ids.values()]
    return 0 <= token.era <= ERA_MAX and all(0 <= number <= NUMBER_MAX for number in numbers)
