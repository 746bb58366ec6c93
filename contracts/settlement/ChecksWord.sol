// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// Second word of a header's slot: nonce 64 of the header that the rest is about | signers 64 | committeeEpoch 32 | extension 32 |
/// openDemands 8 | totalDemands 8. Written when there is something to say; a header that takes the slot over need not clear it, because
/// its nonce differs.
type ChecksWord is uint256;

using ChecksLib for ChecksWord global;

/// @title What others said about a header: certificate and demands
library ChecksLib {
    uint256 private constant SIGNERS = 64;
    uint256 private constant EPOCH = 128;
    uint256 private constant EXTENSION = 160;
    uint256 private constant OPEN = 192;
    uint256 private constant TOTAL = 200;

    /// @return What is said about the header of this nonce: nothing, when the word is about another one.
    function about(ChecksWord checks, uint64 nonce) internal pure returns (ChecksWord) {
        return uint64(ChecksWord.unwrap(checks)) == nonce ? checks : ChecksWord.wrap(nonce);
    }

    function signers(ChecksWord checks) internal pure returns (uint64) {
        return uint64(ChecksWord.unwrap(checks) >> SIGNERS);
    }

    function committeeEpoch(ChecksWord checks) internal pure returns (uint32) {
        return uint32(ChecksWord.unwrap(checks) >> EPOCH);
    }

    function extension(ChecksWord checks) internal pure returns (uint32) {
        return uint32(ChecksWord.unwrap(checks) >> EXTENSION);
    }

    function openDemands(ChecksWord checks) internal pure returns (uint8) {
        return uint8(ChecksWord.unwrap(checks) >> OPEN);
    }

    function totalDemands(ChecksWord checks) internal pure returns (uint8) {
        return uint8(ChecksWord.unwrap(checks) >> TOTAL);
    }

    function certified(ChecksWord checks, uint32 epoch, uint64 added) internal pure returns (ChecksWord) {
        uint256 word = ChecksWord.unwrap(checks) & ~(uint256(type(uint32).max) << EPOCH);
        return ChecksWord.wrap(word | uint256(epoch) << EPOCH | uint256(added) << SIGNERS);
    }

    /// @param extension_ Seconds that the first demand adds to the window.
    function demanded(ChecksWord checks, uint32 extension_) internal pure returns (ChecksWord) {
        uint256 word = ChecksWord.unwrap(checks) + (1 << OPEN) + (1 << TOTAL);
        return ChecksWord.wrap(totalDemands(checks) == 0 ? word | uint256(extension_) << EXTENSION : word);
    }

    function answered(ChecksWord checks) internal pure returns (ChecksWord) {
        return ChecksWord.wrap(ChecksWord.unwrap(checks) - (1 << OPEN));
    }
}
