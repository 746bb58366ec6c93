// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {NodeSignatures} from "../libraries/NodeSignatures.sol";

/// One seat of a committee epoch. Lists are strictly ascending by signer: no key counts twice.
struct CommitteeMember {
    address signer; // the full node's hot key (its `paymentAuthorizer`): it outlives enclave restarts, unlike a key epoch
    uint96 stake; // bond that stood behind the seat when the epoch was scheduled
}

/// Signatures of some of the members: bit i of `signers` set means that member i signed.
struct QuorumSignature {
    uint256 signers;
    bytes signatures; // 65 bytes r | s | v for each set bit, ascending
}

/// @title Committee list and quorum, the same on both chains
library CommitteeLib {
    uint256 internal constant MAX_MEMBERS = 64;

    /// Number of signatures and of set bits differ, or a bit stands for no member.
    error CommitteeBadSignerSet(uint256 signers, uint256 signaturesLength, uint256 members);
    /// A signature is not the named member's.
    error CommitteeWrongSigner(uint256 index, address recovered, address expected);

    /// @notice What both chains store of an epoch's list.
    function listHash(uint64 epoch, CommitteeMember[] memory members) internal pure returns (bytes32) {
        return keccak256(abi.encode(epoch, members));
    }

    /// @notice The same of a list in calldata: members are static, so it stands there as it is encoded.
    /// @dev Dirty upper bits of a member make another hash, which no stored list has.
    function givenListHash(uint64 epoch, CommitteeMember[] calldata members) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            let size := shl(6, members.length)
            mstore(p, and(epoch, 0xffffffffffffffff))
            mstore(add(p, 0x20), 0x40)
            mstore(add(p, 0x40), members.length)
            calldatacopy(add(p, 0x60), members.offset, size)
            hash := keccak256(p, add(0x60, size))
        }
    }

    /// @notice Stake behind `digest`; reverts on any signature that does not belong to its seat.
    /// @return signed Stake of the members that signed.
    /// @return total Stake of all members.
    function signedStake(CommitteeMember[] calldata members, bytes32 digest, uint256 signers, bytes calldata signatures)
        internal
        view
        returns (uint256 signed, uint256 total)
    {
        uint256 cursor = 0;
        for (uint256 i = 0; i < members.length; ++i) {
            (address signer, uint256 stake) = (members[i].signer, members[i].stake);
            unchecked {
                // A list whose hash is known has at most 64 stakes of 96 bits each.
                total += stake;
                if (signers & (1 << i) == 0) continue;
                signed += stake;
                cursor += 65;
            }
            require(cursor <= signatures.length, CommitteeBadSignerSet(signers, signatures.length, members.length));
            address recovered = NodeSignatures.recover(digest, signatures[cursor - 65:cursor]);
            require(recovered == signer && recovered != address(0), CommitteeWrongSigner(i, recovered, signer));
        }
        bool strayBit = members.length < 256 && signers >> members.length != 0;
        require(cursor == signatures.length && !strayBit, CommitteeBadSignerSet(signers, signatures.length, members.length));
    }

    /// @return Whether `signed` of `total` is a quorum: at least two thirds, and not nothing.
    function isQuorum(uint256 signed, uint256 total) internal pure returns (bool) {
        return total != 0 && signed * 3 >= total * 2;
    }
}
