// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Events with many rows
/// @notice Gathers rows in the encoding of the event that will carry them: one event for a whole call costs a fifth of one for every
/// row. The events are declared in IEscrowEvents; a test decodes each by its declaration.
library RowLog {
    /// Rows of static structs. In front of them is room for three words and the count.
    struct Rows {
        uint256 start; // memory
        uint256 next;
        uint256 count;
    }

    /// @param most Rows that may be added.
    /// @param words Of a row.
    function reserve(Rows memory rows, uint256 most, uint256 words) internal pure {
        uint256 start;
        assembly ("memory-safe") {
            start := mload(0x40)
            mstore(0x40, add(add(start, 0x80), mul(shl(5, words), most)))
        }
        (rows.start, rows.next) = (start, start + 0x80);
    }

    function add(Rows memory rows, bytes32 a, uint256 b) internal pure {
        uint256 next = rows.next;
        assembly ("memory-safe") {
            mstore(next, a)
            mstore(add(next, 0x20), b)
        }
        unchecked {
            rows.next = next + 0x40;
            ++rows.count;
        }
    }

    function add(Rows memory rows, bytes32 a, uint256 b, uint256 c) internal pure {
        uint256 next = rows.next;
        assembly ("memory-safe") {
            mstore(next, a)
            mstore(add(next, 0x20), b)
            mstore(add(next, 0x40), c)
        }
        unchecked {
            rows.next = next + 0x60;
            ++rows.count;
        }
    }

    /// @notice Emits event(Row[]) and begins anew.
    function emitRows(Rows memory rows, bytes32 selector) internal {
        (uint256 start, uint256 next) = _head(rows);
        assembly ("memory-safe") {
            log1(start, sub(next, start), selector)
        }
    }

    /// @notice Emits event(bytes32 indexed, Row[]) and begins anew.
    function emitRows(Rows memory rows, bytes32 selector, bytes32 topic) internal {
        (uint256 start, uint256 next) = _head(rows);
        assembly ("memory-safe") {
            log2(start, sub(next, start), selector, topic)
        }
    }

    /// @notice Emits event(bytes32 indexed, Row[], uint256, uint256) and begins anew.
    function emitRows(Rows memory rows, bytes32 selector, bytes32 topic, uint256 a, uint256 b) internal {
        (uint256 start, uint256 next) = _head(rows);
        assembly ("memory-safe") {
            start := sub(start, 0x40)
            mstore(start, 0x60)
            mstore(add(start, 0x20), a)
            mstore(add(start, 0x40), b)
            log2(start, sub(next, start), selector, topic)
        }
    }

    /// @dev Offset and count in front of the rows.
    function _head(Rows memory rows) private pure returns (uint256 start, uint256 next) {
        start = rows.start + 0x40;
        next = rows.next;
        uint256 count = rows.count;
        assembly ("memory-safe") {
            mstore(start, 0x20)
            mstore(add(start, 0x20), count)
        }
        (rows.next, rows.count) = (start + 0x40, 0);
    }
}
