// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// Signed by the node's key; the contract accepts only the next nonce, and a node signs one header a nonce.
struct BatchHeader {
    bytes32 nodeId;
    bytes32 keyId;
    uint64 nonce; // from 1, without gap
    bytes32 prevHeader; // first 24 bytes of the header's digest before, 0 for nonce 1; then 8 bytes: number of the slot (`BatchLib.slotOf`)
    bytes32 receiptsRoot;
    bytes32 channelsRoot;
    uint32 count; // receipts
    uint32 channels; // stretches
    uint128 totalCharge; // sum over all receipts
    uint64 minIssuedAt;
    uint64 maxIssuedAt;
    bytes32 blobId; // Walrus blob, 0 for a header whose receipts are all in the posting call
    bytes32 contentHash; // keccak256 of the blob
    uint8 format; // blob format version, see docs/engineer/batch-format.md
}

/// One contiguous stretch of one payment's line that the batch's receipts [firstLeaf, firstLeaf + leafCount) cover.
struct ChannelStretch {
    uint256 paymentChainId;
    address escrow;
    bytes32 paymentId;
    uint128 from;
    uint128 to;
    uint32 firstLeaf;
    uint32 leafCount;
    uint128 prefixTotal; // sum of charges of leaves [0, firstLeaf + leafCount); the last one equals totalCharge
}

/// @title Header, leaf and stretch hashing
library BatchLib {
    bytes32 internal constant HEADER_TYPEHASH = keccak256(
        "BatchHeader(bytes32 nodeId,bytes32 keyId,uint64 nonce,bytes32 prevHeader,bytes32 receiptsRoot,bytes32 channelsRoot,"
        "uint32 count,uint32 channels,uint128 totalCharge,uint64 minIssuedAt,uint64 maxIssuedAt,bytes32 blobId,bytes32 contentHash,"
        "uint8 format)"
    );
    bytes32 internal constant STRETCH_TYPEHASH = keccak256(
        "ChannelStretch(uint256 paymentChainId,address escrow,bytes32 paymentId,uint128 from,uint128 to,uint32 firstLeaf,"
        "uint32 leafCount,uint128 prefixTotal)"
    );

    /// @notice EIP-712 digest of a header under the settlement contract's domain. It is also the batch's id.
    function digest(BatchHeader memory header, bytes32 domainSeparator) internal pure returns (bytes32) {
        bytes32 structHash = keccak256(abi.encode(HEADER_TYPEHASH, header));
        return keccak256(abi.encodePacked(hex"1901", domainSeparator, structHash));
    }

    /// @notice Where the settlement chain keeps a header: in the slot of its node that it names by number, which takes another
    /// header when SettlementParams.slotLife is over; or, when the number is 0, in one of its own, under its hash.
    /// @param prevHeader The header's: its last 8 bytes are the number.
    function slotOf(bytes32 nodeId, bytes32 prevHeader, bytes32 hash) internal pure returns (bytes32 slot) {
        uint64 no = uint64(uint256(prevHeader));
        return no == 0 ? hash : numberedSlot(nodeId, no);
    }

    function numberedSlot(bytes32 nodeId, uint64 no) internal pure returns (bytes32 slot) {
        assembly ("memory-safe") {
            mstore(0x00, nodeId)
            mstore(0x20, and(no, 0xffffffffffffffff))
            slot := keccak256(0x00, 0x40)
        }
    }

    /// @notice Receipt leaf. It commits to the signature, so that a bad signature can be proved.
    function receiptLeaf(bytes32 receiptDigest, bytes memory signature) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x00), receiptDigest, keccak256(signature)));
    }

    function stretchLeaf(ChannelStretch memory stretch) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x00), keccak256(abi.encode(STRETCH_TYPEHASH, stretch))));
    }
}
