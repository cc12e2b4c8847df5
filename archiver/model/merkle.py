"""Merkle trees as RFC 9162 (Certificate Transparency 2.0), section 2.1, has them, with SHA-256.

A leaf's hash is SHA-256 of a zero byte and the entry, an inner node's that of a one byte and its
two children; of n leaves the left side has the largest power of two that is smaller than n.
"""

import hashlib
from collections.abc import Iterable, Sequence

from archiver.model.ids import Sha256

_EMPTY = hashlib.sha256().digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry (32 bytes)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """A tree that grows leaf by leaf, in memory for one node per level however many there are."""

    def __init__(self) -> None:
        self.size = 0
        self._complete: list[tuple[int, bytes]] = []
        """Complete subtrees with their sizes, the largest first."""

    def add(self, leaf: bytes) -> None:
        """Append the hash of a leaf."""
        self.size += 1
        size, node = 1, leaf
        while self._complete and self._complete[-1][0] == size:
            left_size, left = self._complete.pop()
            size, node = left_size + size, _node_hash(left, node)
        self._complete.append((size, node))

    @property
    def root(self) -> Sha256:
        """The root; of no leaves it is the digest of nothing."""
        if not self._complete:
            return Sha256(_EMPTY.hex())
        *others, (_, root) = self._complete
        for _, left in reversed(others):
            root = _node_hash(left, root)
        return Sha256(root.hex())


def tree_root(leaves: Iterable[bytes]) -> Sha256:
    """The root over leaf hashes in this order."""
    tree = MerkleTree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root


class InclusionPaths:
    """The inclusion paths of many leaves of one tree, each in a time that goes by its height."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels = [list(leaves)]
        while len(below := self._levels[-1]) > 1:
            pairs = zip(below[::2], below[1::2], strict=False)
            # The last of an odd number moves up as it is.
            self._levels.append([_node_hash(*pair) for pair in pairs] + below[len(below) & ~1 :])

    def of(self, index: int) -> list[bytes]:
        """Return the hashes that lead from a leaf to the root, the lowest first.

        Raises IndexError where there is no such leaf. Source: RFC 9162, 2.1.3.1.
        """
        if not 0 <= index < len(self._levels[0]):
            raise IndexError(index)
        siblings = ((level, index >> height ^ 1) for height, level in enumerate(self._levels))
        return [level[place] for level, place in siblings if place < len(level) > 1]


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> Sha256 | None:
    """The root that an inclusion path leads to; None where it cannot be one of a tree of ``size``.

    The algorithm of RFC 9162, 2.1.3.2.
    """
    if not 0 <= index < size:
        return None
    place, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            node = _node_hash(sibling, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = _node_hash(node, sibling)
        place, last = place >> 1, last >> 1
    return Sha256(node.hex()) if last == 0 else None
