// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ClaimShape, IEscrowEvents} from "../interfaces/IPaymentEscrow.sol";
import {IX402BatchSettlement, VoucherClaim} from "../interfaces/IX402BatchSettlement.sol";

/// Place in memory of one row of a claim list, encoded as a VoucherClaim.
type ClaimRow is uint256;

/// @title Claims in the form in which the channel contract takes them
/// @notice A list is the calldata of IX402BatchSettlement.claim, built once and sent as it is. What is checked of a row is read from
/// the very bytes that are sent: both sides see the same row.
library ClaimList {
    /// payer 20 | salt 32 | maxClaimableAmount 16 | totalClaimed 16 | signature 65
    uint256 private constant PACKED_ROW = 149;

    bytes32 private constant CHANNEL_CONFIG_TYPEHASH = keccak256(
        "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,"
        "uint40 withdrawDelay,bytes32 salt)"
    );
    bytes32 private constant CLAIM_BATCH_TYPEHASH = keccak256(
        "ClaimBatch(ClaimEntry[] claims)ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
    );
    bytes32 private constant CLAIM_ENTRY_TYPEHASH =
        keccak256("ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)");

    /// @notice The rows as they stand in calldata.
    /// @dev Offsets are the caller's: only the one layout that every encoder makes is taken, so that nothing is read elsewhere once
    /// it is copied. Dirty upper bits make a channel id that no channel has.
    function encode(VoucherClaim[] calldata rows) internal pure returns (bytes memory list) {
        bytes4 selector = IX402BatchSettlement.claim.selector;
        uint256 sound = 1;
        uint256 size;
        assembly ("memory-safe") {
            size := shl(5, rows.length)
            for { let i := 0 } lt(i, rows.length) { i := add(i, 1) } {
                let row := add(rows.offset, size)
                let length := calldataload(add(row, 0x140))
                let canonical := eq(calldataload(add(rows.offset, shl(5, i))), size)
                sound := and(sound, and(canonical, and(eq(calldataload(add(row, 0x100)), 0x140), lt(length, 0x10000))))
                size := add(size, add(0x160, and(add(and(length, 0xffff), 0x1f), not(0x1f))))
            }
            sound := and(sound, iszero(gt(add(rows.offset, size), calldatasize())))
        }
        require(sound != 0, IEscrowEvents.EscrowBadRows(size));
        assembly ("memory-safe") {
            list := mload(0x40)
            mstore(list, add(size, 0x44))
            mstore(add(list, 0x20), selector)
            mstore(add(list, 0x24), 0x20)
            mstore(add(list, 0x44), rows.length)
            calldatacopy(add(list, 0x64), rows.offset, size)
            mstore(0x40, and(add(add(list, size), 0x83), not(0x1f)))
        }
    }

    /// @notice Rows in the packed form that IPaymentEscrow.claimPacked describes.
    function unpack(ClaimShape calldata shape, bytes calldata rows) internal view returns (bytes memory list) {
        require(rows.length % PACKED_ROW == 0, IEscrowEvents.EscrowBadRows(rows.length));
        (address authorizer, address asset, uint256 delay) = (shape.receiverAuthorizer, shape.token, shape.withdrawDelay);
        bytes4 selector = IX402BatchSettlement.claim.selector;
        assembly ("memory-safe") {
            let n := div(rows.length, PACKED_ROW)
            list := mload(0x40)
            mstore(add(list, 0x20), selector)
            mstore(add(list, 0x24), 0x20)
            mstore(add(list, 0x44), n)
            let base := add(list, 0x64)
            let row := add(base, shl(5, n))
            let source := rows.offset
            for { let end := row let place := base } lt(place, end) { place := add(place, 0x20) } {
                mstore(place, sub(row, base))
                let payer := shr(96, calldataload(source))
                mstore(row, payer)
                mstore(add(row, 0x20), payer)
                mstore(add(row, 0x40), address())
                mstore(add(row, 0x60), authorizer)
                mstore(add(row, 0x80), asset)
                mstore(add(row, 0xa0), delay)
                mstore(add(row, 0xc0), calldataload(add(source, 20)))
                let amounts := calldataload(add(source, 52))
                mstore(add(row, 0xe0), shr(128, amounts))
                mstore(add(row, 0x100), 0x140)
                mstore(add(row, 0x120), shr(128, shl(128, amounts)))
                mstore(add(row, 0x140), 65)
                mstore(add(row, 0x1a0), 0)
                calldatacopy(add(row, 0x160), add(source, 84), 65)
                source := add(source, PACKED_ROW)
                row := add(row, 0x1c0)
            }
            mstore(list, sub(sub(row, list), 0x20))
            mstore(0x40, and(add(row, 0x1f), not(0x1f)))
        }
    }

    function count(bytes memory list) internal pure returns (uint256 n) {
        assembly ("memory-safe") {
            n := mload(add(list, 0x44))
        }
    }

    function at(bytes memory list, uint256 index) internal pure returns (ClaimRow row) {
        assembly ("memory-safe") {
            let base := add(list, 0x64)
            row := add(base, mload(add(base, shl(5, index))))
        }
    }

    /// @notice A list of that one row.
    function single(bytes memory list, uint256 index) internal pure returns (bytes memory one) {
        uint256 start = ClaimRow.unwrap(at(list, index));
        uint256 end = 0;
        // Rows stand one after the other in every list that is made here.
        if (index + 1 < count(list)) end = ClaimRow.unwrap(at(list, index + 1));
        bytes4 selector = IX402BatchSettlement.claim.selector;
        assembly ("memory-safe") {
            if iszero(end) { end := add(add(list, 0x20), mload(list)) }
            let size := sub(end, start)
            one := mload(0x40)
            mstore(one, add(size, 0x64))
            mstore(add(one, 0x20), selector)
            mstore(add(one, 0x24), 0x20)
            mstore(add(one, 0x44), 1)
            mstore(add(one, 0x64), 0x20)
            mcopy(add(one, 0x84), start, size)
            mstore(0x40, and(add(add(one, size), 0xa3), not(0x1f)))
        }
    }

    function receiverAuthorizer(ClaimRow row) internal pure returns (address value) {
        assembly ("memory-safe") {
            value := mload(add(row, 0x60))
        }
    }

    /// @return Whether all rows have the authorizer and the token of the first.
    function isUniform(bytes memory list) internal pure returns (bool) {
        uint256 others = 0;
        assembly ("memory-safe") {
            let base := add(list, 0x64)
            let row := add(base, mload(base))
            let authorizer := mload(add(row, 0x60))
            let asset := mload(add(row, 0x80))
            for { let place := base let end := add(base, shl(5, mload(add(list, 0x44)))) } lt(place, end) { place := add(place, 0x20) } {
                row := add(base, mload(place))
                others := or(others, or(xor(mload(add(row, 0x60)), authorizer), xor(mload(add(row, 0x80)), asset)))
            }
        }
        return others == 0;
    }

    function token(ClaimRow row) internal pure returns (address value) {
        assembly ("memory-safe") {
            value := mload(add(row, 0x80))
        }
    }

    function totalClaimed(ClaimRow row) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(row, 0x120))
        }
    }

    /// @notice Channel ids of all rows.
    /// @param domain EIP-712 domain separator of the channel contract.
    function ids(bytes memory list, bytes32 domain) internal pure returns (bytes32[] memory all) {
        uint256 n = count(list);
        all = new bytes32[](n);
        bytes32 typehash = CHANNEL_CONFIG_TYPEHASH;
        assembly ("memory-safe") {
            let p := mload(0x40)
            let base := add(list, 0x64)
            let shift := sub(add(all, 0x20), base)
            for { let place := base let end := add(base, shl(5, n)) } lt(place, end) { place := add(place, 0x20) } {
                mstore(p, typehash)
                mcopy(add(p, 0x20), add(base, mload(place)), 0xe0)
                let hash := keccak256(p, 0x100)
                mstore(p, shl(240, 0x1901))
                mstore(add(p, 0x02), domain)
                mstore(add(p, 0x22), hash)
                mstore(add(place, shift), keccak256(p, 0x42))
            }
        }
    }

    /// @dev Without the bounds check: `index` counts the rows.
    function get(bytes32[] memory all, uint256 index) internal pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := mload(add(add(all, 0x20), shl(5, index)))
        }
    }

    /// @notice What the receiverAuthorizer signs: x402's ClaimBatch of all rows.
    function digest(bytes memory list, bytes32[] memory channelIds, bytes32 domain) internal pure returns (bytes32) {
        bytes32[] memory entries = new bytes32[](channelIds.length);
        for (uint256 i = 0; i < entries.length; ++i) {
            ClaimRow row = at(list, i);
            uint256 ceiling;
            assembly ("memory-safe") {
                ceiling := mload(add(row, 0xe0))
            }
            entries[i] = keccak256(abi.encode(CLAIM_ENTRY_TYPEHASH, channelIds[i], ceiling, totalClaimed(row)));
        }
        bytes32 structHash = keccak256(abi.encode(CLAIM_BATCH_TYPEHASH, keccak256(abi.encodePacked(entries))));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}
