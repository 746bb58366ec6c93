// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// "I hold the data of this batch and checked every leaf." Makes a batch Certified; stays challengeable.
struct LeafCheck {
    bytes32 headerHash;
    uint64 committeeEpoch;
}

/// "The settlement chain says that this header is `status`": given on finalised blocks only, and the only thing that
/// the payment chain sees.
struct Finality {
    uint256 paymentChainId;
    address inbox;
    uint64 committeeEpoch;
    bytes32 headerHash;
    bytes32 channelsRoot;
    uint8 status; // BatchStatus: Final, Rejected or RejectedNoFault
    uint64 settledAt; // seconds, settlement chain
    uint64 validUntil; // seconds
}

/// "I am alive and have seen this block": strictly increasing per node.
struct Heartbeat {
    bytes32 nodeId;
    bytes32 keyId;
    uint64 blockNumber;
    bytes32 blockHash;
}

/// @title Hashing of what keys other than payers' sign (EIP-712, settlement contract's or registry's domain)
library StatementLib {
    bytes32 internal constant LEAF_CHECK_TYPEHASH = keccak256("LeafCheck(bytes32 headerHash,uint64 committeeEpoch)");
    bytes32 internal constant FINALITY_TYPEHASH = keccak256(
        "Finality(uint256 paymentChainId,address inbox,uint64 committeeEpoch,bytes32 headerHash,bytes32 channelsRoot,uint8 status,"
        "uint64 settledAt,uint64 validUntil)"
    );
    bytes32 internal constant HEARTBEAT_TYPEHASH =
        keccak256("Heartbeat(bytes32 nodeId,bytes32 keyId,uint64 blockNumber,bytes32 blockHash)");

    function digest(LeafCheck memory check, bytes32 domainSeparator) internal pure returns (bytes32) {
        return _digest(keccak256(abi.encode(LEAF_CHECK_TYPEHASH, check)), domainSeparator);
    }

    function digest(Finality memory finality, bytes32 domainSeparator) internal pure returns (bytes32) {
        return _digest(keccak256(abi.encode(FINALITY_TYPEHASH, finality)), domainSeparator);
    }

    function digest(Heartbeat memory heartbeat, bytes32 domainSeparator) internal pure returns (bytes32) {
        return _digest(keccak256(abi.encode(HEARTBEAT_TYPEHASH, heartbeat)), domainSeparator);
    }

    function _digest(bytes32 structHash, bytes32 domainSeparator) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domainSeparator, structHash));
    }
}
