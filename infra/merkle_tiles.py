"""A Merkle tree as it is stored: tiles of 64 hashes, of which only those at its right edge grow.

    tile level 1:  hash of tile 0 | hash of tile 1 | ...
    tile level 0:  64 leaves      | 64 leaves      | ...

A tile holds hashes of every sixth level of the tree; what lies between is computed from it. So a
leaf costs 32 bytes and a sixty-third more, growing touches one tile of each level, and a proof
reads two of each level: ten for a thousand million leaves.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple

from infra.merkle import HASH_BYTES, NODE, SIZE_MAX, Node, nodes_of, range_hash

HEIGHT = 6
WIDTH = 1 << HEIGHT


class Tile(NamedTuple):
    """level: of tiles."""

    level: int
    place: int


Hashes = Mapping[Tile, bytes]


def tile_of(node: Node) -> Tile:
    level, inside = divmod(node.level, HEIGHT)
    return Tile(level, (node.place << inside) // WIDTH)


def node_in(tiles: Hashes, node: Node) -> bytes:
    """The hash of a node. Raises KeyError when its tile is not there, IndexError when it is not yet
    complete.
    """
    inside = node.level % HEIGHT
    begin = (node.place << inside) % WIDTH
    hashes = tiles[tile_of(node)][begin * HASH_BYTES : (begin + (1 << inside)) * HASH_BYTES]
    if len(hashes) != HASH_BYTES << inside:
        raise IndexError(node)
    return _joined(hashes)


def edge_of(size: int) -> list[Tile]:
    """The tiles that are not full, at the right edge of a tree."""
    edge: list[Tile] = []
    level = 0
    while size:
        if size % WIDTH:
            edge.append(Tile(level, size // WIDTH))
        level, size = level + 1, size // WIDTH
    return edge


def tiles_for(ranges: Iterable[tuple[int, int]]) -> set[Tile]:
    """What must be read to know the roots of these ranges of leaves."""
    return {tile_of(node) for leaves in ranges for node in nodes_of(leaves)}


def root_of(size: int, tiles: Hashes) -> bytes:
    """tiles: at least those of its edge."""
    return range_hash((0, size), lambda node: node_in(tiles, node))


def grown(size: int, edge: Hashes, leaves: Collection[bytes]) -> dict[Tile, bytes]:
    """The tiles that change when leaves (their hashes) are added to a tree of `size`, as they are
    afterwards; and those of the edge that stay, so that the new root can be told.
    """
    after = dict(edge)
    level, added = 0, list(leaves)
    while added:
        index, length = divmod(size, WIDTH)
        full: list[bytes] = []
        for begin, part in _parts(added, length):
            tile = Tile(level, index + begin)
            hashes = after.get(tile, b"") + b"".join(part)
            after[tile] = hashes
            if len(hashes) == WIDTH * HASH_BYTES:
                full.append(_joined(hashes))
        level, size, added = level + 1, index, full
    return after


def _parts(added: list[bytes], length: int) -> Iterator[tuple[int, list[bytes]]]:
    """What goes to each tile, the first of which has `length` already."""
    begin = -length
    for number in range(-(-(length + len(added)) // WIDTH)):
        end = begin + WIDTH
        yield number, added[max(begin, 0) : end]
        begin = end


def _joined(hashes: bytes) -> bytes:
    """The root of a power of two of hashes."""
    while len(hashes) > HASH_BYTES:
        # As infra.merkle.node_hash; neighbours lie side by side already.
        hashes = b"".join(
            [
                sha256(NODE + hashes[at : at + 2 * HASH_BYTES]).digest()
                for at in range(0, len(hashes), 2 * HASH_BYTES)
            ]
        )
    return hashes


def broken_tiles(size: int, tiles: Hashes) -> list[tuple[int, int]]:
    """The ranges of leaves, as small as can be told, whose hashes are not what the tiles above say.
    tiles: as somebody else gave them; they may have more than a tree of `size`, or less.
    """
    broken: list[tuple[int, int]] = []
    for level in range(1, SIZE_MAX.bit_length() // HEIGHT):
        width = WIDTH**level
        for place in range(size // width):
            above, below = Tile(level, place // WIDTH), Tile(level - 1, place)
            begin = place % WIDTH * HASH_BYTES
            told = tiles.get(above, b"")[begin : begin + HASH_BYTES]
            if told != _joined(tiles.get(below, b"")[: WIDTH * HASH_BYTES]):
                broken.append((place * width, (place + 1) * width))
        if broken or size < width:
            break
    return broken
