"""Merkle trees over a list that only grows, as RFC 9162 has them (section 2.1): roots, proofs that
something is in the list, and proofs that a list is the beginning of a longer one.

Pure. A node is a complete subtree: level 0 is a leaf, `Node(3, 5)` covers leaves 40 to 47. Whoever
makes a proof says where the hashes of nodes are; whoever verifies one needs nothing else.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

HASH_BYTES = 32
# No list is longer, and so no proof has more hashes.
SIZE_MAX = 1 << 62
EMPTY_ROOT = hashlib.sha256(b"").digest()
# The prefixes keep a node from being taken for a leaf.
LEAF, NODE = b"\x00", b"\x01"

Range = tuple[int, int]


class Node(NamedTuple):
    level: int
    place: int


NodeHash = Callable[[Node], bytes]


def leaf_hash(content: bytes) -> bytes:
    return hashlib.sha256(LEAF + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(NODE + left + right).digest()


def nodes_of(leaves: Range) -> list[Node]:
    """The complete subtrees that make up a range, from left to right. leaves: begins where a
    subtree of at least its size does, as every range of a proof.
    """
    begin, end = leaves
    nodes: list[Node] = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        nodes.append(Node(level, begin >> level))
        begin += 1 << level
    return nodes


def range_hash(leaves: Range, hash_of: NodeHash) -> bytes:
    """The root of the leaves of a range."""
    hashes = [hash_of(node) for node in nodes_of(leaves)]
    if not hashes:
        return EMPTY_ROOT
    root = hashes.pop()
    while hashes:
        root = node_hash(hashes.pop(), root)
    return root


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Whose roots prove that a leaf is in a list of `size`; from the leaf to the root. index: less
    than size.
    """
    begin, end = 0, size
    ranges: list[Range] = []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    return ranges[::-1]


def consistency_ranges(first: int, second: int) -> list[Range]:
    """Whose roots prove that a list of `first` is the beginning of one of `second`. first: at least
    1 and at most second.
    """
    begin, end = 0, second
    ranges: list[Range] = []
    while first < end:
        middle = begin + _split(end - begin)
        if first <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    if begin > 0:
        ranges.append((begin, end))
    return ranges[::-1]


def root_of_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root of a list of `size` that has this leaf (a hash) at `index`, according to a proof;
    None for one that cannot be right.
    """
    if not 0 <= index < size:
        return None
    place, last, root = index, size - 1, leaf
    for hashed in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            root = node_hash(hashed, root)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            root = node_hash(root, hashed)
        place >>= 1
        last >>= 1
    return root if last == 0 else None


def is_consistent(first: tuple[int, bytes], second: tuple[int, bytes], path: list[bytes]) -> bool:
    """Whether the list of the first (size, root) is the beginning of that of the second, according
    to a proof.
    """
    (first_size, first_root), (second_size, second_root) = first, second
    if not 0 < first_size <= second_size:
        return first_size == 0 and first_root == EMPTY_ROOT and not path
    if first_size == second_size:
        return not path and first_root == second_root
    hashes = list(path)
    if first_size & (first_size - 1) == 0:
        hashes.insert(0, first_root)
    place, last = first_size - 1, second_size - 1
    while place & 1:
        place >>= 1
        last >>= 1
    if not hashes:
        return False
    old = new = hashes[0]
    for hashed in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(hashed, old), node_hash(hashed, new)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            new = node_hash(new, hashed)
        place >>= 1
        last >>= 1
    return last == 0 and old == first_root and new == second_root


def _split(size: int) -> int:
    """The largest power of two that is less than size."""
    return 1 << ((size - 1).bit_length() - 1)
