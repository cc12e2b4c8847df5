"""Merkle trees: the published test vectors of Certificate Transparency, and laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model.merkle import (
    InclusionPaths,
    MerkleTree,
    leaf_hash,
    root_from_path,
    tree_root,
)

ENTRIES = [bytes.fromhex(text) for text in (
    *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
    "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of the first so many entries: the vectors that the implementations of RFC 6962 share."""
LEAVES = st.lists(st.binary(max_size=3).map(leaf_hash), max_size=40)


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert tree_root(map(leaf_hash, ENTRIES[:size])) == ROOTS[size]


def test_a_path_is_the_one_of_certificate_transparency() -> None:
    leaves = [leaf_hash(entry) for entry in ENTRIES[:5]]
    assert [node.hex() for node in InclusionPaths(leaves).of(1)] == [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]


@given(LEAVES)
def test_a_tree_that_grows_has_the_root_of_its_leaves(leaves: list[bytes]) -> None:
    tree = MerkleTree()
    for size, leaf in enumerate(leaves):
        assert (tree.size, tree.root) == (size, tree_root(leaves[:size]))
        tree.add(leaf)


@given(LEAVES.filter(bool), st.data())
def test_a_path_leads_to_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = InclusionPaths(leaves).of(index)
    root = tree_root(leaves)
    assert root_from_path(leaves[index], index, len(leaves), path) == root
    assert root_from_path(leaf_hash(b"another"), index, len(leaves), path) != root
    for other in range(len(path)):
        bent = [*path[:other], leaf_hash(b"bent"), *path[other + 1 :]]
        assert root_from_path(leaves[index], index, len(leaves), bent) != root
    assert root_from_path(leaves[index], index, len(leaves), [*path, root.encode()]) is None
    assert root_from_path(leaves[index], len(leaves), len(leaves), path) is None
    if path:
        assert root_from_path(leaves[index], index, len(leaves), path[:-1]) is None


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_path_of_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError):
        InclusionPaths([leaf_hash(b"")] * 3).of(index)
