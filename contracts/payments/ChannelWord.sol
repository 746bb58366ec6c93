// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// The slot of a channel, packed by hand as a LineWord is.
/// payer 160 | termsId 48 | tokenId 32 | ownAuthorizer 8, from the low end.
type ChannelWord is uint256;

using ChannelLib for ChannelWord global;

library ChannelLib {
    function pack(address payer_, uint48 termsId_, uint32 tokenId_, bool ownAuthorizer_) internal pure returns (ChannelWord) {
        uint256 own = ownAuthorizer_ ? 1 : 0;
        return ChannelWord.wrap(uint160(payer_) | uint256(termsId_) << 160 | uint256(tokenId_) << 208 | own << 240);
    }

    function payer(ChannelWord channel) internal pure returns (address) {
        return address(uint160(ChannelWord.unwrap(channel)));
    }

    function termsId(ChannelWord channel) internal pure returns (uint256) {
        return uint48(ChannelWord.unwrap(channel) >> 160);
    }

    function tokenId(ChannelWord channel) internal pure returns (uint256) {
        return uint32(ChannelWord.unwrap(channel) >> 208);
    }

    /// @return Terms and token together: rows with equal ones are settled together.
    function run(ChannelWord channel) internal pure returns (uint256) {
        return uint80(ChannelWord.unwrap(channel) >> 160);
    }

    /// @return Whether the payer signs vouchers itself.
    function ownAuthorizer(ChannelWord channel) internal pure returns (bool) {
        return ChannelWord.unwrap(channel) >> 240 != 0;
    }
}
