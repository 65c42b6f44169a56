"""Merkle trees agree with a naive reading of RFC 9162, and no proof of something else counts."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.merkle import (
    EMPTY_ROOT,
    consistency_ranges,
    inclusion_ranges,
    is_consistent,
    leaf_hash,
    range_hash,
    root_of_inclusion,
)
from infra.merkle_tiles import (
    WIDTH,
    Tile,
    edge_of,
    grown,
    node_in,
    root_of,
    tiles_for,
)

# The list of eight that the reference implementations of Certificate Transparency test with.
CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
CT_INCLUSION = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}
CT_CONSISTENCY = {
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}

SIZES = st.integers(1, 300)


def naive_root(hashes: list[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, word by word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(hashes[:k]) + naive_root(hashes[k:])).digest()


def some_leaves(size: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(size)]


def stored(hashes: list[bytes], *sizes: int) -> dict[Tile, bytes]:
    """All tiles of a tree that grew to each of these sizes in turn."""
    tiles: dict[Tile, bytes] = {}
    at = 0
    for size in (*sizes, len(hashes)):
        edge = {tile: tiles[tile] for tile in edge_of(at)}
        tiles |= grown(at, edge, hashes[at:size])
        at = size
    return tiles


def proof(tiles: dict[Tile, bytes], ranges: list[tuple[int, int]]) -> list[bytes]:
    needed = {tile: tiles[tile] for tile in tiles_for(ranges)}
    return [range_hash(leaves, lambda node: node_in(needed, node)) for leaves in ranges]


def test_the_vectors_of_the_reference_implementations_hold() -> None:
    hashes = [leaf_hash(content) for content in CT_LEAVES]
    for size, root in CT_ROOTS.items():
        tiles = stored(hashes[:size])
        assert root_of(size, tiles).hex() == root
    tiles = stored(hashes)
    for (index, size), path in CT_INCLUSION.items():
        assert [one.hex() for one in proof(tiles, inclusion_ranges(index, size))] == path
    for (first, second), path in CT_CONSISTENCY.items():
        assert [one.hex() for one in proof(tiles, consistency_ranges(first, second))] == path


@given(SIZES, st.lists(SIZES, max_size=4))
def test_a_tree_has_the_naive_root_however_it_grew(size: int, steps: list[int]) -> None:
    hashes = some_leaves(size)
    tiles = stored(hashes, *sorted(step for step in steps if step <= size))
    assert root_of(size, {tile: tiles[tile] for tile in edge_of(size)}) == naive_root(hashes)
    assert tiles == stored(hashes)
    assert max(len(content) for content in tiles.values()) <= WIDTH * 32


@given(SIZES, st.data())
def test_every_leaf_is_proved_and_nothing_else_is(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    hashes = some_leaves(size)
    path = proof(stored(hashes), inclusion_ranges(index, size))
    root = naive_root(hashes)
    assert root_of_inclusion(hashes[index], index, size, path) == root
    assert root_of_inclusion(leaf_hash(b"other"), index, size, path) != root
    other = data.draw(st.integers(0, size))
    assert other == index or root_of_inclusion(hashes[index], other, size, path) != root
    assert root_of_inclusion(hashes[index], index, size, [*path, root]) is None
    if path:
        assert root_of_inclusion(hashes[index], index, size, path[:-1]) != root


@given(SIZES, st.data())
def test_a_list_is_the_beginning_of_what_it_became(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, size))
    hashes = some_leaves(size)
    path = proof(stored(hashes), consistency_ranges(first, size))
    before, after = naive_root(hashes[:first]), naive_root(hashes)
    assert is_consistent((first, before), (size, after), path)
    changed = data.draw(st.integers(0, first - 1))
    forged = [*hashes[:changed], leaf_hash(b"other"), *hashes[changed + 1 :]]
    assert not is_consistent((first, naive_root(forged[:first])), (size, after), path)
    assert not is_consistent((first, before), (size, naive_root(forged)), path)
    assert not is_consistent((first, before), (size, after), [*path, before])
    if first < size:
        assert not is_consistent((first, before), (size, after), path[:-1])


def test_every_list_begins_with_nothing() -> None:
    assert is_consistent((0, EMPTY_ROOT), (3, naive_root(some_leaves(3))), [])
    assert not is_consistent((0, leaf_hash(b"")), (3, naive_root(some_leaves(3))), [])
    assert not is_consistent((4, EMPTY_ROOT), (3, EMPTY_ROOT), [])


def test_a_node_that_is_not_complete_has_no_hash() -> None:
    tiles = stored(some_leaves(70))
    with pytest.raises(IndexError):
        proof(tiles, inclusion_ranges(0, 128))
