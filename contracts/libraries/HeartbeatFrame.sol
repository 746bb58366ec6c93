// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {INodeRegistry, SignedHeartbeat} from "../interfaces/INodeRegistry.sol";
import {StatementLib} from "../types/Statements.sol";

/// Place in memory. From there:
///   0x000  typehash | nodeId | block number | block hash    the struct
///   0x080  0x1901 | domain | struct hash, 66 bytes          the digest's preimage
///   0x0e0  digest | v | r | s                               what ecrecover reads
///   0x160  block number | 0x40 | count | node ids           data of HeartbeatsAccepted
type Frame is uint256;

using HeartbeatFrame for Frame global;

/// @title Heartbeats for one block
/// @notice What they share is laid out once; a node's id is all that changes from one to the next. The event's data is written as
/// it grows, because encoding a list a second time would cost more than checking a signature's parts.
library HeartbeatFrame {
    /// @param capacity How many nodes may be accepted.
    function open(uint64 blockNumber, bytes32 blockHash, bytes32 domain, uint256 capacity) internal pure returns (Frame frame) {
        bytes32 typehash = StatementLib.HEARTBEAT_TYPEHASH;
        assembly ("memory-safe") {
            frame := mload(0x40)
            mstore(0x40, add(add(frame, 0x1c0), shl(5, capacity)))
            mstore(frame, typehash)
            mstore(add(frame, 0x40), and(blockNumber, 0xffffffffffffffff))
            mstore(add(frame, 0x60), blockHash)
            mstore(add(frame, 0x80), "\x19\x01")
            mstore(add(frame, 0x82), domain)
            mstore(add(frame, 0x160), and(blockNumber, 0xffffffffffffffff))
            mstore(add(frame, 0x180), 0x40)
            mstore(add(frame, 0x1a0), 0)
        }
    }

    /// @return hash EIP-712 digest of the node's heartbeat.
    function digest(Frame frame, bytes32 nodeId) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            mstore(add(frame, 0x20), nodeId)
            mstore(add(frame, 0xa2), keccak256(frame, 0x80))
            hash := keccak256(add(frame, 0x80), 0x42)
        }
    }

    /// @param index Below the list's length.
    function at(SignedHeartbeat[] calldata beats, uint256 index) internal pure returns (SignedHeartbeat calldata beat) {
        assembly ("memory-safe") {
            beat := add(beats.offset, mul(index, 0x60))
        }
    }

    /// @return signed Whether `signer` signed it; nobody is 0. That s is low is not asked for: EIP-2098 leaves no room for a high one but
    /// for a sliver of 2^-128 of all, and a heartbeat counts once however it is signed.
    function signedBy(Frame frame, SignedHeartbeat calldata beat, address signer) internal view returns (bool signed) {
        bytes32 hash = frame.digest(beat.nodeId);
        assembly ("memory-safe") {
            let input := add(frame, 0xe0)
            let vs := calldataload(add(beat, 0x40))
            mstore(input, hash)
            mstore(add(input, 0x20), add(27, shr(255, vs)))
            mstore(add(input, 0x40), calldataload(add(beat, 0x20)))
            mstore(add(input, 0x60), shr(1, shl(1, vs)))
            mstore(0, not(0)) // a failed recovery writes nothing, and this is nobody's address
            pop(staticcall(gas(), 1, input, 0x80, 0, 0x20))
            signed := eq(mload(0), shr(96, shl(96, signer)))
        }
    }

    /// Adds a node to the event; at most `capacity` times.
    function accept(Frame frame, bytes32 nodeId) internal pure {
        assembly ("memory-safe") {
            let list := add(frame, 0x1a0)
            let count := add(mload(list), 1)
            mstore(list, count)
            mstore(add(list, shl(5, count)), nodeId)
        }
    }

    /// Emits HeartbeatsAccepted.
    function log(Frame frame) internal {
        bytes32 topic = INodeRegistry.HeartbeatsAccepted.selector;
        assembly ("memory-safe") {
            log1(add(frame, 0x160), add(0x60, shl(5, mload(add(frame, 0x1a0)))), topic)
        }
    }
}
