// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchHeader, BatchLib, ChannelStretch} from "../types/Batch.sol";
import {InferenceReceipt, ReceiptLib} from "../types/Receipt.sol";
import {HeartbeatFrame} from "../libraries/HeartbeatFrame.sol";
import {Ack, Finality, Heartbeat, LeafCheck, Rotation, StatementLib} from "../types/Statements.sol";
import {Terms, TermsLib} from "../types/Terms.sol";
import {CalldataDigest} from "../libraries/CalldataDigest.sol";
import {PositionalTree} from "../libraries/PositionalTree.sol";
import {ProtocolDomain} from "../libraries/ProtocolDomain.sol";

/// @title Opens the protocol's hashing libraries to tests
contract ProtocolHarness {
    function domain(uint256 chainId, address verifyingContract) external pure returns (bytes32) {
        return ProtocolDomain.separator(chainId, verifyingContract);
    }

    function receiptDigest(InferenceReceipt calldata receipt, bytes32 separator) external pure returns (bytes32) {
        return ReceiptLib.digest(receipt, separator);
    }

    function termsHash(Terms calldata terms) external pure returns (bytes32) {
        return TermsLib.hash(terms);
    }

    function channelSalt(bytes32 hash, bytes32 clientNonce) external pure returns (bytes32) {
        return TermsLib.salt(hash, clientNonce);
    }

    function headerHash(BatchHeader calldata header, bytes32 separator) external pure returns (bytes32) {
        return BatchLib.digest(header, separator);
    }

    function receiptLeaf(bytes32 digest, bytes calldata signature) external pure returns (bytes32) {
        return BatchLib.receiptLeaf(digest, signature);
    }

    function stretchLeaf(ChannelStretch calldata stretch) external pure returns (bytes32) {
        return BatchLib.stretchLeaf(stretch);
    }

    function leafCheckDigest(LeafCheck calldata check, bytes32 separator) external pure returns (bytes32) {
        return StatementLib.digest(check, separator);
    }

    function finalityDigest(Finality calldata finality, bytes32 separator) external pure returns (bytes32) {
        return StatementLib.digest(finality, separator);
    }

    function heartbeatDigest(Heartbeat calldata heartbeat, bytes32 separator) external pure returns (bytes32) {
        return HeartbeatFrame.open(heartbeat.blockNumber, heartbeat.blockHash, separator, 0).digest(heartbeat.nodeId);
    }

    function rotationDigest(Rotation calldata rotation, bytes32 separator) external pure returns (bytes32) {
        return StatementLib.digest(rotation, separator);
    }

    function ackDigest(Ack calldata ack, bytes32 separator) external pure returns (bytes32) {
        return StatementLib.digest(ack, separator);
    }

    function rootOfLeaves(bytes32[] memory leaves) external pure returns (bytes32) {
        return PositionalTree.rootOf(leaves);
    }

    function rootOfSome(bytes32[] memory leaves, uint32[] calldata indices, uint256 count, bytes32[] calldata path)
        external
        pure
        returns (bytes32)
    {
        return PositionalTree.rootOf(leaves, indices, count, path);
    }

    function stretchLeaves(ChannelStretch[] calldata stretches) external pure returns (bytes32[] memory) {
        return CalldataDigest.stretchLeaves(stretches);
    }

    function rootOfPath(bytes32 leaf, uint256 index, uint256 count, bytes32[] calldata path) external pure returns (bytes32) {
        return PositionalTree.rootOf(leaf, index, count, path);
    }
}
