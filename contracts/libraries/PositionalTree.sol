// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Positional Merkle tree
/// @notice node = keccak256(0x01 | left | right), absent leaves are 0, the width is the next power of two, and
/// root = keccak256(0x02 | uint32 count | top). A leaf's place and the number of leaves are part of what a proof
/// proves: adjacency, order, duplicates, sums and absence can be shown, which a commutative tree cannot.
/// The three prefixes (0x00 for leaves) keep leaves, nodes and roots apart.
library PositionalTree {
    /// The path's length does not fit the number of leaves, or the index lies outside of them.
    error TreeBadProofShape(uint256 index, uint256 count, uint256 pathLength);
    error TreeEmpty();

    /// @notice Root that `leaf` at `index` of `count` leaves leads to.
    /// @param path Sibling hashes from the leaf up, exactly ceil(log2(count)) of them.
    function rootOf(bytes32 leaf, uint256 index, uint256 count, bytes32[] memory path) internal pure returns (bytes32) {
        require(index < count && count <= type(uint32).max && path.length == depth(count), TreeBadProofShape(index, count, path.length));
        bytes32 node = leaf;
        for (uint256 level = 0; level < path.length; ++level) {
            node = index & 1 == 0 ? _node(node, path[level]) : _node(path[level], node);
            index >>= 1;
        }
        return _root(count, node);
    }

    /// @notice Root of a whole list. Overwrites `leaves`.
    function rootOf(bytes32[] memory leaves) internal pure returns (bytes32) {
        uint256 count = leaves.length;
        require(count != 0, TreeEmpty());
        bytes32 absent = 0; // root of an all-absent subtree of the current height
        for (uint256 width = count; width != 1;) {
            uint256 parents = width >> 1;
            assembly ("memory-safe") {
                let pointer := mload(0x40)
                mstore8(0x00, 0x01)
                let to := add(leaves, 0x20)
                let from := to
                for { let end := add(to, shl(5, parents)) } lt(to, end) { to := add(to, 0x20) } {
                    mstore(0x01, mload(from))
                    mstore(0x21, mload(add(from, 0x20)))
                    mstore(to, keccak256(0x00, 0x41))
                    from := add(from, 0x40)
                }
                mstore(0x40, pointer)
            }
            unchecked {
                if (width & 1 == 1) {
                    leaves[parents] = _node(leaves[width - 1], absent);
                    ++parents;
                }
            }
            absent = _node(absent, absent);
            width = parents;
        }
        return _root(count, leaves[0]);
    }

    /// @notice Root that some of `count` leaves lead to. Overwrites `leaves`.
    /// @param indices Places of the leaves, strictly ascending.
    /// @param path Siblings that do not follow from the leaves, level by level from the leaves up, from left to right.
    function rootOf(bytes32[] memory leaves, uint32[] calldata indices, uint256 count, bytes32[] calldata path)
        internal
        pure
        returns (bytes32)
    {
        require(leaves.length != 0 && leaves.length == indices.length, TreeEmpty());
        uint256[] memory places = new uint256[](indices.length);
        uint256 next = 0; // first place that the next leaf may have
        for (uint256 i = 0; i < places.length; ++i) {
            require(indices[i] >= next && indices[i] < count, TreeBadProofShape(indices[i], count, path.length));
            places[i] = indices[i];
            next = places[i] + 1;
        }
        uint256 known = places.length;
        uint256 used = 0; // of the path
        for (uint256 level = depth(count); level > 0; --level) {
            (known, used) = _climb(leaves, places, known, path, used);
        }
        require(used == path.length, TreeBadProofShape(indices[0], count, path.length));
        return _root(count, leaves[0]);
    }

    /// @dev Overwrites the first `known` nodes and their places by their parents.
    /// @return parents How many there are.
    /// @return next Sibling that the next level begins with.
    function _climb(bytes32[] memory nodes, uint256[] memory places, uint256 known, bytes32[] calldata path, uint256 used)
        private
        pure
        returns (uint256 parents, uint256 next)
    {
        for (uint256 i = 0; i < known; ++i) {
            uint256 place = places[i];
            if (place & 1 == 0 && i + 1 < known && places[i + 1] == place + 1) {
                nodes[parents] = _node(nodes[i], nodes[i + 1]);
                ++i;
            } else {
                require(used < path.length, TreeBadProofShape(place, known, path.length));
                nodes[parents] = place & 1 == 0 ? _node(nodes[i], path[used]) : _node(path[used], nodes[i]);
                ++used;
            }
            places[parents] = place >> 1;
            ++parents;
        }
        return (parents, used);
    }

    /// @return levels ceil(log2(count)): 0 for one leaf, 1 for two, 2 for three and four.
    function depth(uint256 count) internal pure returns (uint256 levels) {
        while ((uint256(1) << levels) < count) ++levels;
    }

    function _node(bytes32 left, bytes32 right) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            // 65 bytes over scratch space: 0x00 holds the prefix in its last byte, then left and right; the last byte
            // of right spills onto the free memory pointer's first byte, so it is restored.
            let pointer := mload(0x40)
            mstore8(0x00, 0x01)
            mstore(0x01, left)
            mstore(0x21, right)
            hash := keccak256(0x00, 0x41)
            mstore(0x40, pointer)
        }
    }

    /// @param count Below 2^32, as both callers see to.
    function _root(uint256 count, bytes32 top) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            mstore8(0x00, 0x02)
            mstore(0x01, shl(224, count))
            mstore(0x05, top)
            hash := keccak256(0x00, 0x25)
        }
    }
}
