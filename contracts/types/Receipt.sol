// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// The one object that runs through the system: what the attested key signs, what a batch leaf commits to, what a
/// proof is bound to, what moves the payer's money, what the client checks. PROTOCOL section 2.
struct InferenceReceipt {
    bytes32 nodeId;
    bytes32 keyId; // keccak256(nodeId, epoch, publicKey): the key epoch that signed
    bytes32 modelId; // one immutable model version
    bytes32 termsHash; // the terms that the payer signed into the channel's salt
    bytes32 requestHash; // salted commitment, see sdk/protocol/commitments.ts
    bytes32 responseHash; // salted commitment
    bytes32 paymentId; // channel id; routed payment; or the id of an unpaid request
    uint128 cumulativeBefore; // this answer uses [cumulativeBefore, cumulativeBefore + charge) of its payment's line
    uint128 charge; // smallest unit of the payment token
    uint64 inputUnits;
    uint64 outputUnits;
    uint64 sequence; // per payment, from 0, reserved before inference
    uint64 issuedAt; // seconds
    uint8 outcome; // Outcome
}

/// @title Receipt hashing (EIP-712)
library ReceiptLib {
    bytes32 internal constant TYPEHASH = keccak256(
        "InferenceReceipt(bytes32 nodeId,bytes32 keyId,bytes32 modelId,bytes32 termsHash,bytes32 requestHash,bytes32 responseHash,"
        "bytes32 paymentId,uint128 cumulativeBefore,uint128 charge,uint64 inputUnits,uint64 outputUnits,uint64 sequence,"
        "uint64 issuedAt,uint8 outcome)"
    );

    /// @dev All members are static, so the struct's ABI encoding is EIP-712's encodeData.
    function hash(InferenceReceipt memory receipt) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, receipt));
    }

    /// @param domainSeparator Of the settlement contract: a receipt means nothing on another chain or contract.
    function digest(InferenceReceipt memory receipt, bytes32 domainSeparator) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domainSeparator, hash(receipt)));
    }
}
