// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {NodeStatus} from "../interfaces/INodeRegistry.sol";
import {Role} from "../types/Enums.sol";

/// What a heartbeat touches, in one slot, from the low end: signer (160 bits), last block (40), end of the key (40), role (8),
/// status (8). A value type, so that who reads several members reads the slot once, and who changes one writes it once.
type Live is uint256;

using LiveLib for Live global;

library LiveLib {
    uint256 private constant LAST_BLOCK = 160;
    uint256 private constant VALID_UNTIL = 200;
    uint256 private constant ROLE = 240;
    uint256 private constant STATUS = 248;
    uint256 private constant MASK_40 = (1 << 40) - 1;

    /// Where a node's slot is, hashed once for reading and writing.
    function slotOf(mapping(bytes32 nodeId => Live) storage nodes, bytes32 nodeId) internal pure returns (bytes32 slot) {
        assembly ("memory-safe") {
            mstore(0, nodeId)
            mstore(0x20, nodes.slot)
            slot := keccak256(0, 0x40)
        }
    }

    function load(bytes32 slot) internal view returns (Live live) {
        assembly ("memory-safe") {
            live := sload(slot)
        }
    }

    function store(Live live, bytes32 slot) internal {
        assembly ("memory-safe") {
            sstore(slot, live)
        }
    }

    /// @return Of the current key epoch if it is Secp256k1, else 0.
    function signer(Live live) internal pure returns (address) {
        return address(uint160(Live.unwrap(live)));
    }

    /// @return Block that the last heartbeat named, or the one before `attest`.
    function lastBlock(Live live) internal pure returns (uint64) {
        return uint64((Live.unwrap(live) >> LAST_BLOCK) & MASK_40);
    }

    /// @return Seconds; end of the current key epoch by its attestation; 0 without one.
    function validUntil(Live live) internal pure returns (uint64) {
        return uint64((Live.unwrap(live) >> VALID_UNTIL) & MASK_40);
    }

    function role(Live live) internal pure returns (Role) {
        return Role(uint8(Live.unwrap(live) >> ROLE));
    }

    function status(Live live) internal pure returns (NodeStatus) {
        return NodeStatus(uint8(Live.unwrap(live) >> STATUS));
    }

    /// @return `status` is Active.
    function isActive(Live live) internal pure returns (bool) {
        return Live.unwrap(live) >> STATUS == uint256(NodeStatus.Active);
    }

    function withKey(Live live, address signer_, uint40 validUntil_) internal pure returns (Live) {
        uint256 kept = Live.unwrap(live) & ~((MASK_40 << VALID_UNTIL) | type(uint160).max);
        return Live.wrap(kept | (uint256(validUntil_) << VALID_UNTIL) | uint160(signer_));
    }

    function withLastBlock(Live live, uint64 blockNumber) internal pure returns (Live) {
        return Live.wrap((Live.unwrap(live) & ~(MASK_40 << LAST_BLOCK)) | ((blockNumber & MASK_40) << LAST_BLOCK));
    }

    function withRole(Live live, Role role_) internal pure returns (Live) {
        return Live.wrap((Live.unwrap(live) & ~(uint256(0xff) << ROLE)) | (uint256(role_) << ROLE));
    }

    function withStatus(Live live, NodeStatus status_) internal pure returns (Live) {
        return Live.wrap((Live.unwrap(live) & ~(uint256(0xff) << STATUS)) | (uint256(status_) << STATUS));
    }
}
