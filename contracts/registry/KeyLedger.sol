// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IKeyLedger, KeyUse} from "../interfaces/IKeyLedger.sol";
import {INodeRegistry, KeyStatus} from "../interfaces/INodeRegistry.sol";
import {KeyType} from "../types/Enums.sol";
import {SigningKey} from "../types/SigningKey.sol";
import {Standing} from "../types/Standing.sol";

/// @title Keys beside the images that they run in
abstract contract KeyLedger is IKeyLedger {
    /// Clocks of enclaves and chains differ by that much.
    uint256 private constant CLOCK_SKEW = 30;

    mapping(bytes32 place => SigningKey) private _signingKeys;

    /// @inheritdoc IKeyLedger
    function setSigningKey(bytes32 nodeId, bytes32 keyId, SigningKey key) external override {
        _signingKeys[keccak256(abi.encode(msg.sender, nodeId, keyId))] = key;
    }

    /// @inheritdoc IKeyLedger
    function signingKey(KeyUse calldata use) external view override returns (SigningKey key, bytes16 policyPrefix) {
        key = _signingKeys[_placeOf(use)];
        Standing image = _standingOf(key.image());
        (uint256 end,) = _endOf(key, image);
        unchecked {
            // Of 64 bits each.
            bool inTime = end >= use.aliveAt && use.minIssuedAt + CLOCK_SKEW >= key.from() && use.maxIssuedAt < end;
            if (!inTime || !key.serves(use.role) || image.compromisedSince() != 0) _refuse(use, key, image);
        }
        return (key, image.policyPrefix());
    }

    /// The image's entry.
    function _standingOf(uint48 index) internal view virtual returns (Standing);

    /// Why a use is refused, by name. A use that nothing speaks against comes back, but never gets here.
    function _refuse(KeyUse calldata use, SigningKey key, Standing image) private pure {
        bytes32 keyId = use.keyId;
        // The node is part of the place: another node's key is not here.
        require(SigningKey.unwrap(key) != 0, INodeRegistry.NodeRegistryKeyNotOfNode(keyId, use.nodeId));
        require(key.role() == use.role, INodeRegistry.NodeRegistryWrongRole(use.nodeId, key.role(), use.role));
        bool sound = image.compromisedSince() == 0 && key.keyType() != KeyType.None;
        require(sound, INodeRegistry.NodeRegistryKeyNotValid(keyId, KeyStatus.Compromised));
        (uint256 end, bool ended) = _endOf(key, image);
        require(end >= use.aliveAt, INodeRegistry.NodeRegistryKeyNotValid(keyId, ended ? KeyStatus.Retired : KeyStatus.Expired));
        uint64 issuedAt = use.maxIssuedAt < end ? use.minIssuedAt : use.maxIssuedAt;
        revert INodeRegistry.NodeRegistryIssuedOutside(keyId, issuedAt, uint64(key.from()), uint64(end));
    }

    /// @return end When the key stopped, or will stop, signing.
    /// @return ended Whether that is before its attestation's own end.
    function _endOf(SigningKey key, Standing image) private pure returns (uint256 end, bool ended) {
        uint256 revokedAt = image.revokedAt();
        (end, ended) = (key.until(), key.ended());
        if (revokedAt != 0 && revokedAt < end) (end, ended) = (revokedAt, true);
    }

    /// @dev The first three words of a use are what `setSigningKey` encodes.
    function _placeOf(KeyUse calldata use) private pure returns (bytes32 place) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            calldatacopy(p, use, 0x60)
            place := keccak256(p, 0x60)
        }
    }
}
