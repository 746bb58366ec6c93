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
    bytes32 slot; // where the settlement chain keeps the header: BatchLib.slotOf
    bytes32 channelsRoot;
    uint8 status; // BatchStatus: Final, Rejected or RejectedNoFault
    uint64 settledAt; // seconds, settlement chain
    uint64 validUntil; // seconds
}

/// "I am alive and have seen this block": strictly increasing per node. Names no key epoch: a public key belongs to one node
/// ever, the signer must be the current one, and a new epoch starts above every block that the one before could name.
struct Heartbeat {
    bytes32 nodeId;
    uint64 blockNumber;
    bytes32 blockHash;
}

/// "The committee epoch after mine is this list": signed by the epoch before, for one inbox.
struct Rotation {
    uint256 paymentChainId;
    address inbox;
    uint64 epoch; // the next one
    bytes32 listHash; // CommitteeLib.listHash of the next list
    uint64 validUntil; // seconds
}

/// "I accept what was delivered up to `cumulative` of this payment's line": the payer's or its authorizer's; the domain's
/// contract is the escrow.
struct Ack {
    bytes32 paymentId;
    uint128 cumulative;
}

/// @title Hashing of signed statements (EIP-712; the domain's contract is said at each struct, else the settlement contract)
library StatementLib {
    bytes32 internal constant LEAF_CHECK_TYPEHASH = keccak256("LeafCheck(bytes32 headerHash,uint64 committeeEpoch)");
    bytes32 internal constant FINALITY_TYPEHASH = keccak256(
        "Finality(uint256 paymentChainId,address inbox,uint64 committeeEpoch,bytes32 headerHash,bytes32 slot,bytes32 channelsRoot,uint8 status,"
        "uint64 settledAt,uint64 validUntil)"
    );
    bytes32 internal constant HEARTBEAT_TYPEHASH = keccak256("Heartbeat(bytes32 nodeId,uint64 blockNumber,bytes32 blockHash)");

    bytes32 internal constant ROTATION_TYPEHASH =
        keccak256("Rotation(uint256 paymentChainId,address inbox,uint64 epoch,bytes32 listHash,uint64 validUntil)");
    bytes32 internal constant ACK_TYPEHASH = keccak256("Ack(bytes32 paymentId,uint128 cumulative)");

    function digest(LeafCheck memory check, bytes32 domainSeparator) internal pure returns (bytes32) {
        return _digest(keccak256(abi.encode(LEAF_CHECK_TYPEHASH, check)), domainSeparator);
    }

    function digest(Finality memory finality, bytes32 domainSeparator) internal pure returns (bytes32) {
        return _digest(keccak256(abi.encode(FINALITY_TYPEHASH, finality)), domainSeparator);
    }

    function digest(Rotation memory rotation, bytes32 domainSeparator) internal pure returns (bytes32) {
        return _digest(keccak256(abi.encode(ROTATION_TYPEHASH, rotation)), domainSeparator);
    }

    function digest(Ack memory ack, bytes32 domainSeparator) internal pure returns (bytes32) {
        return _digest(keccak256(abi.encode(ACK_TYPEHASH, ack)), domainSeparator);
    }

    function _digest(bytes32 structHash, bytes32 domainSeparator) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domainSeparator, structHash));
    }
}
