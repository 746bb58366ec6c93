// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchStatus} from "../types/Enums.sol";

/// First word of a header's slot, from the low end: status 4 bits | fullBond 1 | hiddenFault 1 | replaced 1 | 0 | postedAt 36 |
/// postedBlock 36 | first 22 bytes of the header's hash. `replaced`: another header stood here before.
type HeadWord is uint256;

using HeadLib for HeadWord global;

/// @title What stands about a header, and which one
/// @dev A stored Posted with signers is Certified: the certificate is then one write. Value types, so that who reads several members
/// reads the slot once. The hash is cut to 176 bits: two headers that a node's slot cannot tell apart cost it 2^88 attempts.
library HeadLib {
    uint256 private constant STATUS = 0xf;
    uint256 private constant FULL_BOND = 1 << 4;
    uint256 private constant HIDDEN_FAULT = 1 << 5;
    uint256 private constant REPLACED = 1 << 6;
    uint256 private constant POSTED_AT = 8;
    uint256 private constant POSTED_BLOCK = 44;
    uint256 private constant HASH = 80;
    uint256 private constant MASK_36 = (1 << 36) - 1;

    function pack(bytes32 hash, BatchStatus status_, bool fullBond_, bool replaced_) internal view returns (HeadWord) {
        uint256 flags = (fullBond_ ? FULL_BOND : 0) | (replaced_ ? REPLACED : 0);
        uint256 times = (block.timestamp & MASK_36) << POSTED_AT | (block.number & MASK_36) << POSTED_BLOCK;
        return HeadWord.wrap((uint256(hash) >> HASH) << HASH | times | flags | uint256(status_));
    }

    function isEmpty(HeadWord head) internal pure returns (bool) {
        return HeadWord.unwrap(head) == 0;
    }

    /// @return Whether this header stands here, and not another one or none.
    function keeps(HeadWord head, bytes32 hash) internal pure returns (bool) {
        return HeadWord.unwrap(head) >> HASH == uint256(hash) >> HASH;
    }

    function header(HeadWord head) internal pure returns (bytes22) {
        return bytes22(bytes32(HeadWord.unwrap(head)));
    }

    function status(HeadWord head) internal pure returns (BatchStatus) {
        return BatchStatus(HeadWord.unwrap(head) & STATUS);
    }

    function fullBond(HeadWord head) internal pure returns (bool) {
        return HeadWord.unwrap(head) & FULL_BOND != 0;
    }

    function hiddenFault(HeadWord head) internal pure returns (bool) {
        return HeadWord.unwrap(head) & HIDDEN_FAULT != 0;
    }

    function replaced(HeadWord head) internal pure returns (bool) {
        return HeadWord.unwrap(head) & REPLACED != 0;
    }

    function postedAt(HeadWord head) internal pure returns (uint40) {
        return uint40(HeadWord.unwrap(head) >> POSTED_AT & MASK_36);
    }

    function postedBlock(HeadWord head) internal pure returns (uint40) {
        return uint40(HeadWord.unwrap(head) >> POSTED_BLOCK & MASK_36);
    }

    /// @return The second after which the slot may take another header: never while this one is not decided.
    function freeAt(HeadWord head, uint256 slotLife) internal pure returns (uint256) {
        if (isEmpty(head)) return 0;
        return status(head) == BatchStatus.Posted ? type(uint256).max : postedAt(head) + slotLife;
    }

    function moved(HeadWord head, BatchStatus to) internal pure returns (HeadWord) {
        return HeadWord.wrap(HeadWord.unwrap(head) & ~STATUS | uint256(to));
    }

    /// @notice Rejected now, from when T_repost is counted.
    /// @param hidden For what its checkers could not see.
    function rejected(HeadWord head, bool hidden) internal view returns (HeadWord) {
        uint256 word = HeadWord.unwrap(moved(head, BatchStatus.Rejected)) & ~(MASK_36 << POSTED_AT);
        return HeadWord.wrap(word | (block.timestamp & MASK_36) << POSTED_AT | (hidden ? HIDDEN_FAULT : 0));
    }
}
