// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchHeader, BatchLib, ChannelStretch} from "../types/Batch.sol";
import {InferenceReceipt, ReceiptLib} from "../types/Receipt.sol";
import {Terms, TermsLib} from "../types/Terms.sol";

/// @title Digests of structs that stand in calldata
/// @notice The same values as BatchLib, ReceiptLib and TermsLib, at a tenth of the price: all members are static, so what stands
/// in calldata is the encoding already.
/// @dev Members that are narrower than a word are looked at before the hash is given out, so that one value has one digest, and what was
/// hashed may be used as it stands in calldata.
library CalldataDigest {
    /// A member has bits set above its type's width.
    error DigestDirtyBits();

    function header(BatchHeader calldata value, bytes32 domain) internal pure returns (bytes32 hash) {
        bytes32 typehash = BatchLib.HEADER_TYPEHASH;
        uint256 dirty;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, typehash)
            calldatacopy(add(p, 0x20), value, 0x1c0)
            // nonce, minIssuedAt, maxIssuedAt | count, channels | totalCharge | format
            dirty := shr(64, or(mload(add(p, 0x60)), or(mload(add(p, 0x140)), mload(add(p, 0x160)))))
            dirty := or(dirty, shr(32, or(mload(add(p, 0xe0)), mload(add(p, 0x100)))))
            dirty := or(dirty, or(shr(128, mload(add(p, 0x120))), shr(8, mload(add(p, 0x1c0)))))
            hash := keccak256(p, 0x1e0)
        }
        require(dirty == 0, DigestDirtyBits());
        return _digest(hash, domain);
    }

    function receipt(InferenceReceipt calldata value, bytes32 domain) internal pure returns (bytes32 hash) {
        bytes32 typehash = ReceiptLib.TYPEHASH;
        uint256 dirty;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, typehash)
            calldatacopy(add(p, 0x20), value, 0x1c0)
            // cumulativeBefore, charge | inputUnits, outputUnits, sequence, issuedAt | outcome
            dirty := shr(128, or(mload(add(p, 0x100)), mload(add(p, 0x120))))
            let units := or(mload(add(p, 0x140)), mload(add(p, 0x160)))
            dirty := or(dirty, shr(64, or(units, or(mload(add(p, 0x180)), mload(add(p, 0x1a0))))))
            dirty := or(dirty, shr(8, mload(add(p, 0x1c0))))
            hash := keccak256(p, 0x1e0)
        }
        require(dirty == 0, DigestDirtyBits());
        return _digest(hash, domain);
    }

    function terms(Terms calldata value) internal pure returns (bytes32 hash) {
        bytes32 typehash = TermsLib.TYPEHASH;
        uint256 dirty;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, typehash)
            calldatacopy(add(p, 0x20), value, 0x140)
            // payout, royaltyTo, inbox | royaltyBps, feeBpsCap | settlementMode, verification
            dirty := shr(160, or(mload(add(p, 0x40)), or(mload(add(p, 0xe0)), mload(add(p, 0x140)))))
            dirty := or(dirty, shr(16, or(mload(add(p, 0x100)), mload(add(p, 0x120)))))
            dirty := or(dirty, shr(8, or(mload(add(p, 0x60)), mload(add(p, 0x80)))))
            hash := keccak256(p, 0x160)
        }
        require(dirty == 0, DigestDirtyBits());
    }

    function receiptLeaf(bytes32 digest, bytes calldata signature) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            calldatacopy(p, signature.offset, signature.length)
            let signatureHash := keccak256(p, signature.length)
            mstore8(p, 0x00)
            mstore(add(p, 0x01), digest)
            mstore(add(p, 0x21), signatureHash)
            hash := keccak256(p, 0x41)
        }
    }

    /// @notice Leaves of a channels tree. Afterwards the stretches' words are known to be clean.
    function stretchLeaves(ChannelStretch[] calldata values) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](values.length);
        bytes32 typehash = BatchLib.STRETCH_TYPEHASH;
        uint256 dirty = 0;
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, typehash)
            mstore8(0x1f, 0x00) // the leaf's prefix, before the struct hash in scratch space
            let to := add(leaves, 0x20)
            for { let end := add(to, shl(5, values.length)) let from := values.offset } lt(to, end) { to := add(to, 0x20) } {
                calldatacopy(add(p, 0x20), from, 0x100)
                let wide := or(or(mload(add(p, 0x80)), mload(add(p, 0xa0))), mload(add(p, 0x100)))
                let narrow := or(mload(add(p, 0xc0)), mload(add(p, 0xe0)))
                dirty := or(dirty, or(shr(160, mload(add(p, 0x40))), or(shr(128, wide), shr(32, narrow))))
                mstore(0x20, keccak256(p, 0x120))
                mstore(to, keccak256(0x1f, 0x21))
                from := add(from, 0x100)
            }
        }
        require(dirty == 0, DigestDirtyBits());
    }

    function _digest(bytes32 structHash, bytes32 domain) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, shl(240, 0x1901))
            mstore(add(p, 0x02), domain)
            mstore(add(p, 0x22), structHash)
            hash := keccak256(p, 0x42)
        }
    }
}
