// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {KeyType, Role} from "./Enums.sol";

/// What verifiers ask of a key epoch, in one word, from the low end: signer (160 bits), key type (2; None: compromised), role (2),
/// whether it was ended before its time (1), number of its image (31), second of its start (32), seconds that it lasts (28).
/// 0 is no key.
type SigningKey is uint256;

using SigningKeyLib for SigningKey global;

library SigningKeyLib {
    uint256 internal constant MAX_IMAGE = (1 << 31) - 1;
    /// 8.5 years.
    uint256 internal constant MAX_LIFETIME = (1 << 28) - 1;

    uint256 private constant KEY_TYPE = 160;
    uint256 private constant ROLE = 162;
    uint256 private constant ENDED = 164;
    uint256 private constant IMAGE = 165;
    uint256 private constant FROM = 196;
    uint256 private constant LIFETIME = 228;

    /// @param image_ At most MAX_IMAGE.
    /// @param from_ Seconds, below 2^32: until 2106.
    /// @param until_ Seconds; at most MAX_LIFETIME after `from_`.
    function pack(address signer_, KeyType keyType_, Role role_, bool ended_, uint256 image_, uint256 from_, uint256 until_)
        internal
        pure
        returns (SigningKey)
    {
        uint256 lifetime = until_ > from_ ? until_ - from_ : 0;
        uint256 low = uint256(uint160(signer_)) | (uint256(keyType_) << KEY_TYPE) | (uint256(role_) << ROLE);
        return SigningKey.wrap(low | (uint256(ended_ ? 1 : 0) << ENDED) | (image_ << IMAGE) | (from_ << FROM) | (lifetime << LIFETIME));
    }

    /// @return As in KeyEpoch.
    function signer(SigningKey key) internal pure returns (address) {
        return address(uint160(SigningKey.unwrap(key)));
    }

    /// @return How the key signs; None when it is compromised.
    function keyType(SigningKey key) internal pure returns (KeyType) {
        return KeyType((SigningKey.unwrap(key) >> KEY_TYPE) & 3);
    }

    /// @return Whether it is a key of this role that is not compromised.
    function serves(SigningKey key, Role role_) internal pure returns (bool) {
        return (SigningKey.unwrap(key) >> ROLE) & 3 == uint256(role_) && (SigningKey.unwrap(key) >> KEY_TYPE) & 3 != 0;
    }

    function isSecp256k1(SigningKey key) internal pure returns (bool) {
        return (SigningKey.unwrap(key) >> KEY_TYPE) & 3 == uint256(KeyType.Secp256k1);
    }

    function role(SigningKey key) internal pure returns (Role) {
        return Role((SigningKey.unwrap(key) >> ROLE) & 3);
    }

    /// @return Whether `until` is earlier than the attestation's own end.
    function ended(SigningKey key) internal pure returns (bool) {
        return (SigningKey.unwrap(key) >> ENDED) & 1 == 1;
    }

    /// @return Number in the policy.
    function image(SigningKey key) internal pure returns (uint48) {
        return uint48((SigningKey.unwrap(key) >> IMAGE) & MAX_IMAGE);
    }

    /// @return Seconds.
    function from(SigningKey key) internal pure returns (uint256) {
        return uint32(SigningKey.unwrap(key) >> FROM);
    }

    /// @return Seconds.
    function until(SigningKey key) internal pure returns (uint256) {
        unchecked {
            return key.from() + (SigningKey.unwrap(key) >> LIFETIME);
        }
    }
}
