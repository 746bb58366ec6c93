// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ISettlementEvents} from "../interfaces/ISettlementEvents.sol";

/// A run in calldata, by the place of its first byte. The table in IInferenceSettlement.settleRun says what stands where.
type PackedRun is uint256;

using PackedRunLib for PackedRun global;

/// @title Reading a packed run
/// @notice Every part has a fixed place once the first nine bytes are known, and `open` has compared the length with what they
/// say: no later read needs a bound of its own.
library PackedRunLib {
    /// The only layout so far.
    uint256 private constant LAYOUT = 1;
    /// Bytes before the header's signature.
    uint256 private constant HEAD = 239;
    uint256 private constant STRETCH = 88;
    /// Bytes of an item before its signature.
    uint256 private constant ITEM = 107;

    /// @dev Reverts unless it has the one layout and exactly the bytes of its parts.
    function open(bytes calldata bytes_) internal pure returns (PackedRun run) {
        assembly ("memory-safe") {
            run := bytes_.offset
        }
        // What stands beyond a short run is some number: then the length differs from what it asks for, which is at least HEAD.
        uint256 layout = run.uintAt(0) >> 248;
        require(layout == LAYOUT, ISettlementEvents.SettlementRunLayout(layout, LAYOUT));
        uint256 expected;
        unchecked {
            // 16 and 32 bits times less than 2^17.
            expected = run.stretchAt(run.stretches()) + run.count() * run.stride() - PackedRun.unwrap(run);
        }
        require(bytes_.length == expected, ISettlementEvents.SettlementRunLength(bytes_.length, expected));
        require(run.count() != 0 && run.stretches() != 0, ISettlementEvents.SettlementBadHeader("count"));
    }

    function stretches(PackedRun run) internal pure returns (uint256) {
        return uint16(run.uintAt(0) >> 232);
    }

    function count(PackedRun run) internal pure returns (uint256) {
        return uint32(run.uintAt(0) >> 200);
    }

    /// @return Bytes of each signature.
    function signatureLength(PackedRun run) internal pure returns (uint256) {
        return uint16(run.uintAt(0) >> 184);
    }

    /// @return number Of the node's slot that keeps the header; 0 for one of its own.
    function slot(PackedRun run) internal pure returns (uint64 number) {
        return uint32(run.uintAt(0) >> 152);
    }

    function nodeId(PackedRun run) internal pure returns (bytes32) {
        return bytes32(run.uintAt(13));
    }

    function payout(PackedRun run) internal pure returns (address) {
        return address(uint160(run.uintAt(45) >> 96));
    }

    function settlementMode(PackedRun run) internal pure returns (uint8) {
        return uint8(run.uintAt(65) >> 248);
    }

    function verification(PackedRun run) internal pure returns (uint8) {
        return uint8(run.uintAt(66) >> 248);
    }

    function policyId(PackedRun run) internal pure returns (bytes32) {
        return bytes32(run.uintAt(99));
    }

    function keyId(PackedRun run) internal pure returns (bytes32) {
        return bytes32(run.uintAt(175));
    }

    function modelId(PackedRun run) internal pure returns (bytes32) {
        return bytes32(run.uintAt(207));
    }

    /// @return signature The key's, over the header.
    function headerSignature(PackedRun run) internal pure returns (bytes calldata signature) {
        unchecked {
            return _slice(PackedRun.unwrap(run) + HEAD, run.signatureLength());
        }
    }

    /// @return at Where stretch `index` stands in calldata.
    function stretchAt(PackedRun run, uint256 index) internal pure returns (uint256 at) {
        unchecked {
            return PackedRun.unwrap(run) + HEAD + run.signatureLength() + index * STRETCH;
        }
    }

    /// @return at Where the item of receipt `index` stands in calldata.
    function itemAt(PackedRun run, uint256 index) internal pure returns (uint256 at) {
        unchecked {
            return run.stretchAt(run.stretches()) + index * run.stride();
        }
    }

    /// @param at Where a stretch stands in calldata.
    /// @return paymentId The payment whose line it lies on.
    /// @return receipts How many of them.
    /// @return from Where the first one begins, below 2^128.
    /// @return sequence Of the first one, below 2^64.
    function stretch(uint256 at) internal pure returns (bytes32 paymentId, uint256 receipts, uint256 from, uint256 sequence) {
        assembly ("memory-safe") {
            paymentId := calldataload(at)
            receipts := and(calldataload(add(at, 0x20)), 0xffffffff)
            let word := calldataload(add(at, 0x40))
            from := shr(128, word)
            sequence := and(shr(64, word), 0xffffffffffffffff)
        }
    }

    /// @param at Where an item stands in calldata.
    /// @return charge Below 2^128.
    /// @return issuedAt Seconds, below 2^64.
    /// @return outcome Below 2^8.
    function item(uint256 at) internal pure returns (uint256 charge, uint256 issuedAt, uint256 outcome) {
        assembly ("memory-safe") {
            charge := shr(128, calldataload(add(at, 0x40)))
            let word := calldataload(add(at, 0x60))
            issuedAt := shr(192, word)
            outcome := byte(8, word)
        }
    }

    /// @param at Where an item stands in calldata.
    /// @return issuedAt Seconds.
    /// @return place Which of the statements is the receipt's own.
    function statementOf(uint256 at) internal pure returns (uint64 issuedAt, uint256 place) {
        assembly ("memory-safe") {
            let word := calldataload(add(at, 0x60))
            issuedAt := shr(192, word)
            place := and(shr(168, word), 0xffff)
        }
    }

    /// @param item_ Where it stands in calldata.
    /// @return signature The key's, over the item's receipt.
    function signatureOf(PackedRun run, uint256 item_) internal pure returns (bytes calldata signature) {
        unchecked {
            return _slice(item_ + ITEM, run.signatureLength());
        }
    }

    /// @return word The 32 bytes from `offset` of the run on.
    function uintAt(PackedRun run, uint256 offset) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(run, offset))
        }
    }

    /// @return Bytes from one item to the next.
    function stride(PackedRun run) internal pure returns (uint256) {
        unchecked {
            return ITEM + run.signatureLength();
        }
    }

    function _slice(uint256 at, uint256 length) private pure returns (bytes calldata slice) {
        assembly ("memory-safe") {
            slice.offset := at
            slice.length := length
        }
    }
}
