// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchLib} from "../types/Batch.sol";
import {ReceiptLib} from "../types/Receipt.sol";
import {TermsLib} from "../types/Terms.sol";
import {PackedRun} from "./PackedRun.sol";

/// Place in memory. From there:
///   0x000  15 words   preimage of the struct hash of the receipt at hand; of the terms before, of the header afterwards
///   0x1e0  66 bytes   0x1901 | domain | struct hash      preimage of an EIP-712 digest
///   0x240  65 bytes   0x00 | digest | signature's hash    preimage of a leaf; the first 33 of a stretch's
///   0x2a0  9 words    preimage of the struct hash of the stretch at hand
///   0x3c0  signature  as long as the run's are
type RunFrame is uint256;

using RunFrameLib for RunFrame global;

/// @title Digests of a run's receipts, stretches and header
/// @notice The same values as ReceiptLib's and BatchLib's. What a run's receipts share is laid once; from one receipt to the next only
/// its own words are written. Terms, receipt and header have the node's id as their first word, receipt and header the key's as
/// their second.
/// @dev Members are cut out of calldata by their width, so no word has bits above it.
library RunFrameLib {
    /// A list whose every word is written before it is read.
    function list(uint256 length) internal pure returns (bytes32[] memory words) {
        assembly ("memory-safe") {
            words := mload(0x40)
            mstore(words, length)
            mstore(0x40, add(words, shl(5, add(length, 1))))
        }
    }

    /// Lays what is constant, up to the terms' hash.
    function open(PackedRun run, bytes32 domain) internal pure returns (RunFrame frame) {
        (bytes32 termsType, bytes32 receiptType, bytes32 stretchType) = (TermsLib.TYPEHASH, ReceiptLib.TYPEHASH, BatchLib.STRETCH_TYPEHASH);
        uint256 tail = run.signatureLength();
        assembly ("memory-safe") {
            frame := mload(0x40)
            mstore(0x40, add(frame, and(add(tail, 0x3df), not(0x1f))))

            // Terms: 32 nodeId, 20 payout, 1 settlementMode, 1 verification, 32 tariffHash, 32 policyId, 20 royaltyTo,
            // 2 royaltyBps, 2 feeBpsCap, 20 inbox, from byte 13.
            mstore(frame, termsType)
            calldatacopy(add(frame, 0x20), add(run, 13), 0x20)
            let word := calldataload(add(run, 45))
            mstore(add(frame, 0x40), shr(96, word))
            mstore(add(frame, 0x60), byte(20, word))
            mstore(add(frame, 0x80), byte(21, word))
            calldatacopy(add(frame, 0xa0), add(run, 67), 0x40)
            word := calldataload(add(run, 131))
            mstore(add(frame, 0xe0), shr(96, word))
            mstore(add(frame, 0x100), and(shr(80, word), 0xffff))
            mstore(add(frame, 0x120), and(shr(64, word), 0xffff))
            mstore(add(frame, 0x140), shr(96, calldataload(add(run, 155))))
            let termsHash := keccak256(frame, 0x160)

            mstore(frame, receiptType)
            calldatacopy(add(frame, 0x40), add(run, 175), 0x40) // keyId, modelId
            mstore(add(frame, 0x80), termsHash)
            mstore(add(frame, 0x1e0), "\x19\x01")
            mstore(add(frame, 0x1e2), domain)
            mstore8(add(frame, 0x240), 0)
            mstore(add(frame, 0x2a0), stretchType)
        }
    }

    /// The payment of the receipts that follow.
    function pay(RunFrame frame, bytes32 paymentId) internal pure {
        assembly ("memory-safe") {
            mstore(add(frame, 0xe0), paymentId)
        }
    }

    /// @param item Where the receipt's own members stand in calldata.
    function receipt(RunFrame frame, uint256 item, uint256 cumulativeBefore, uint256 sequence) internal pure returns (bytes32) {
        assembly ("memory-safe") {
            calldatacopy(add(frame, 0xa0), item, 0x40) // requestHash, responseHash
            mstore(add(frame, 0x100), cumulativeBefore)
            let amounts := calldataload(add(item, 0x40))
            mstore(add(frame, 0x120), shr(128, amounts)) // charge
            mstore(add(frame, 0x140), and(shr(64, amounts), 0xffffffffffffffff)) // inputUnits
            mstore(add(frame, 0x160), and(amounts, 0xffffffffffffffff)) // outputUnits
            mstore(add(frame, 0x180), sequence)
            let rest := calldataload(add(item, 0x60))
            mstore(add(frame, 0x1a0), shr(192, rest)) // issuedAt
            mstore(add(frame, 0x1c0), byte(8, rest)) // outcome
        }
        return frame._digest();
    }

    function receiptLeaf(RunFrame frame, bytes32 digest, bytes calldata signature) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let tail := add(frame, 0x3c0)
            calldatacopy(tail, signature.offset, signature.length) // there is room for one of the run's signatures
            mstore(add(frame, 0x241), digest)
            mstore(add(frame, 0x261), keccak256(tail, signature.length))
            hash := keccak256(add(frame, 0x240), 0x41)
        }
    }

    /// @param stretch Where it stands in calldata.
    /// @param to End of its interval.
    /// @param firstLeaf Index of its first receipt.
    /// @param prefixTotal Sum of the charges up to its last receipt.
    function stretchLeaf(RunFrame frame, uint256 stretch, uint256 to, uint256 firstLeaf, uint256 prefixTotal)
        internal
        pure
        returns (bytes32 hash)
    {
        assembly ("memory-safe") {
            let p := add(frame, 0x2a0)
            let place := calldataload(add(stretch, 0x20))
            mstore(add(p, 0x20), shr(192, place)) // paymentChainId
            mstore(add(p, 0x40), and(shr(32, place), 0xffffffffffffffffffffffffffffffffffffffff)) // escrow
            mstore(add(p, 0x60), calldataload(stretch)) // paymentId
            mstore(add(p, 0x80), shr(128, calldataload(add(stretch, 0x40)))) // from
            mstore(add(p, 0xa0), to)
            mstore(add(p, 0xc0), firstLeaf)
            mstore(add(p, 0xe0), and(place, 0xffffffff)) // leafCount
            mstore(add(p, 0x100), prefixTotal)
            mstore(add(frame, 0x241), keccak256(p, 0x120))
            hash := keccak256(add(frame, 0x240), 0x21)
        }
    }

    /// What the header says of its receipts. After the last receipt: it takes the receipt's place.
    function sum(RunFrame frame, PackedRun run, bytes32 receiptsRoot, bytes32 channelsRoot, uint256 total, uint256 oldest, uint256 newest)
        internal
        pure
    {
        (bytes32 typehash, uint256 count, uint256 channels) = (BatchLib.HEADER_TYPEHASH, run.count(), run.stretches());
        assembly ("memory-safe") {
            mstore(frame, typehash)
            mstore(add(frame, 0xa0), receiptsRoot)
            mstore(add(frame, 0xc0), channelsRoot)
            mstore(add(frame, 0xe0), count)
            mstore(add(frame, 0x100), channels)
            mstore(add(frame, 0x120), total)
            mstore(add(frame, 0x140), oldest)
            mstore(add(frame, 0x160), newest)
            // blobId, contentHash, format: a run's header has no blob.
            mstore(add(frame, 0x180), 0)
            mstore(add(frame, 0x1a0), 0)
            mstore(add(frame, 0x1c0), 0)
        }
    }

    /// @return Hash of the summed-up header at its place in the node's chain.
    function header(RunFrame frame, uint256 nonce, bytes32 prevHeader) internal pure returns (bytes32) {
        assembly ("memory-safe") {
            mstore(add(frame, 0x60), nonce)
            mstore(add(frame, 0x80), prevHeader)
        }
        return frame._digest();
    }

    /// @return hash EIP-712 digest of the 15 words.
    function _digest(RunFrame frame) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            mstore(add(frame, 0x202), keccak256(frame, 0x1e0))
            hash := keccak256(add(frame, 0x1e0), 0x42)
        }
    }
}
