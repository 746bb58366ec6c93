// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IGroth16Keys} from "../interfaces/IGroth16Keys.sol";
import {IGroth16Verifier} from "../interfaces/IGroth16Verifier.sol";
import {DevelopmentKey} from "../verifiers/DevelopmentKey.sol";
import {Groth16KeyCheck} from "./Groth16KeyCheck.sol";
import {Groth16Verifier} from "./Groth16Verifier.sol";

/// @title Registry and factory of Groth16 verifiers
/// @dev CREATE2 with the key's hash as salt for both contracts: on one registry, the key decides the address.
contract Groth16Keys is IGroth16Keys, AccessManaged {
    struct Entry {
        IGroth16Verifier verifier;
        bool development;
        bytes32 transcriptHash;
    }

    mapping(bytes32 vkHash => Entry) private _entries;
    mapping(address verifier => bool) private _verifiers;

    constructor(address authority) AccessManaged(authority) {}

    /// @inheritdoc IGroth16Keys
    function register(bytes calldata key) external override returns (IGroth16Verifier verifier) {
        Groth16KeyCheck.check(key);
        bool development = DevelopmentKey.sharesTrapdoor(key);
        require(!development || DevelopmentKey.allowedOn(block.chainid), Groth16KeyDevelopment(block.chainid));

        bytes32 vkHash = keccak256(key);
        Entry storage entry = _entries[vkHash];
        require(address(entry.verifier) == address(0), Groth16KeyKnown(vkHash, address(entry.verifier)));

        verifier = new Groth16Verifier{salt: vkHash}(_store(key, vkHash), vkHash);
        entry.verifier = verifier;
        entry.development = development;
        _verifiers[address(verifier)] = true;
        emit Groth16KeyRegistered(vkHash, address(verifier), (key.length - 448) / 64 - 1, development ? 0 : 1);
    }

    /// @inheritdoc IGroth16Keys
    function attestCeremony(bytes32 vkHash, bytes32 transcriptHash_) external override restricted {
        require(transcriptHash_ != bytes32(0), Groth16TranscriptMissing());
        uint8 level = setupLevel(vkHash);
        require(level == 1, Groth16KeyNotAttestable(vkHash, level));
        _entries[vkHash].transcriptHash = transcriptHash_;
        emit Groth16CeremonyAttested(vkHash, transcriptHash_);
    }

    /// @inheritdoc IGroth16Keys
    function verifierOf(bytes32 vkHash) external view override returns (IGroth16Verifier) {
        return _entries[vkHash].verifier;
    }

    /// @inheritdoc IGroth16Keys
    function isVerifier(address verifier) external view override returns (bool) {
        return _verifiers[verifier];
    }

    /// @inheritdoc IGroth16Keys
    function setupLevel(bytes32 vkHash) public view override returns (uint8) {
        Entry storage entry = _entries[vkHash];
        require(address(entry.verifier) != address(0), Groth16KeyUnknown(vkHash));
        if (entry.development) return 0;
        return entry.transcriptHash == bytes32(0) ? 1 : 2;
    }

    /// @inheritdoc IGroth16Keys
    function transcriptHash(bytes32 vkHash) external view override returns (bytes32) {
        return _entries[vkHash].transcriptHash;
    }

    /// @dev Deploys a contract whose code is a zero byte (STOP: calling it does nothing) and the key.
    function _store(bytes calldata key, bytes32 salt) private returns (address at) {
        // PUSH2 size, DUP1, PUSH1 10, RETURNDATASIZE (zero), CODECOPY, RETURNDATASIZE, RETURN: returns what follows these ten bytes.
        bytes memory creation = abi.encodePacked(hex"61", uint16(key.length + 1), hex"80600a3d393df3", hex"00", key);
        assembly ("memory-safe") {
            at := create2(0, add(creation, 32), mload(creation), salt)
        }
        require(at != address(0), Groth16KeyKnown(salt, at));
    }
}
