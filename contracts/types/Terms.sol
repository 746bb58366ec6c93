// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// What the payer signs when it opens a channel: the hash stands in the channel's salt, the channel id commits to
/// the salt and every voucher to the channel id. PROTOCOL section 1.
struct Terms {
    bytes32 nodeId;
    address payout; // who the node's share is credited to
    uint8 settlementMode; // SettlementMode
    uint8 verification; // Verification
    bytes32 tariffHash; // hash of the published price list
    bytes32 policyId; // image policy that the payer relies on; 0 is the network's default
    address royaltyTo; // the model publisher's beneficiary; 0 for none
    uint16 royaltyBps; // of the gross charge, <= 3,000
    uint16 feeBpsCap; // most protocol fee that the payer's node accepts, <= 500
    address inbox; // whose Finality certificates decide
}

/// @title Terms hashing
library TermsLib {
    bytes32 internal constant TYPEHASH = keccak256(
        "Terms(bytes32 nodeId,address payout,uint8 settlementMode,uint8 verification,bytes32 tariffHash,bytes32 policyId,"
        "address royaltyTo,uint16 royaltyBps,uint16 feeBpsCap,address inbox)"
    );
    bytes32 internal constant SALT_TYPEHASH = keccak256("ChannelSalt(bytes32 termsHash,bytes32 clientNonce)");

    /// @notice What offers and receipts carry.
    function hash(Terms memory terms) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, terms));
    }

    /// @notice What the payer puts into `ChannelConfig.salt`.
    /// @dev Hashing the terms' hash, not the terms again, commits to the same fields and costs one word.
    function salt(bytes32 termsHash, bytes32 clientNonce) internal pure returns (bytes32) {
        return keccak256(abi.encode(SALT_TYPEHASH, termsHash, clientNonce));
    }
}
