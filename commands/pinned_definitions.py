"""The definitions that executions pin, parsed: what decides about a run often needs to know its
nodes.
"""

import asyncio
from collections import OrderedDict

import orjson

from commands.ports import EventStore
from domain.definitions import Definition, parse_definition
from domain.identifiers import TenantId

# Compiling a definition takes 1 us per byte and more: the largest would hold up every other request
# for a third of a second, so it is done in a thread.
PARSED_AT_ONCE_BYTES_MAX = 8 * 1024
KEPT_MAX = 128

# A hash names the content, so whoever pins it may have the parsed form that another one needed.
_kept: OrderedDict[str, Definition] = OrderedDict()


async def pinned_definition(
    events: EventStore, tenant_id: TenantId, definition_hash: str
) -> Definition:
    """definition_hash: of something of this tenant that pins it, so that it was stored before."""
    known = _kept.get(definition_hash)
    if known is not None:
        _kept.move_to_end(definition_hash)
        return known
    canonical = await events.definition(tenant_id, definition_hash)
    assert canonical is not None, f"definition {definition_hash} is not stored"
    if len(orjson.dumps(canonical)) <= PARSED_AT_ONCE_BYTES_MAX:
        definition = parse_definition(canonical)
    else:
        definition = await asyncio.to_thread(parse_definition, canonical)
    _kept[definition_hash] = definition
    if len(_kept) > KEPT_MAX:
        _kept.popitem(last=False)
    return definition
