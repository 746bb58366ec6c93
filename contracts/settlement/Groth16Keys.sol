// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IGroth16Keys} from "../interfaces/IGroth16Keys.sol";
import {IGroth16Verifier} from "../interfaces/IGroth16Verifier.sol";
import {DevelopmentKey} from "../verifiers/DevelopmentKey.sol";
import {Groth16ChainVerifier} from "./Groth16ChainVerifier.sol";
import {Groth16KeyCheck} from "./Groth16KeyCheck.sol";
import {Groth16ManyVerifier} from "./Groth16ManyVerifier.sol";
import {Groth16Verifier} from "./Groth16Verifier.sol";

/// @title Registry and factory of Groth16 verifiers
/// @dev CREATE2 with the key's hash as salt for both contracts: on one registry, the key decides the address.
contract Groth16Keys is IGroth16Keys, AccessManaged {
    struct Entry {
        IGroth16Verifier verifier;
        bool development;
        bytes32 transcriptHash;
        /// Keys that this stands on: a chain's layers, or the one behind many items. Empty for a key.
        bytes32[] layers;
    }

    bytes32 public constant CHAIN_TAG = keccak256("opengradient.groth16.chain.key.v1");
    bytes32 public constant MANY_TAG = keccak256("opengradient.groth16.many.key.v1");
    uint256 private constant MAX_LAYERS = 32;
    uint256 private constant MAX_SLOTS = 1_024;

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
    function registerChain(bytes32[] calldata layers) external override returns (IGroth16Verifier verifier) {
        require(layers.length > 1 && layers.length <= MAX_LAYERS, Groth16ChainLength(layers.length, MAX_LAYERS));
        bytes32 vkHash = keccak256(abi.encode(CHAIN_TAG, layers));
        Entry storage entry = _entries[vkHash];
        require(address(entry.verifier) == address(0), Groth16KeyKnown(vkHash, address(entry.verifier)));

        address[] memory keys = new address[](layers.length);
        bytes32 shared;
        for (uint256 i = 0; i < layers.length; ++i) {
            Entry storage layer = _entries[layers[i]];
            require(address(layer.verifier) != address(0), Groth16KeyUnknown(layers[i]));
            require(layer.layers.length == 0 && layer.verifier.publicInputCount() == 3, Groth16ChainLayer(i));
            keys[i] = layer.verifier.key();
            bytes32 head = _sharedPoints(keys[i]);
            require(i == 0 || head == shared, Groth16ChainPhaseOne(i));
            shared = head;
        }
        verifier = new Groth16ChainVerifier{salt: vkHash}(keys, vkHash);
        entry.verifier = verifier;
        entry.layers = layers;
        _verifiers[address(verifier)] = true;
        emit Groth16ChainRegistered(vkHash, address(verifier), layers);
    }

    /// @inheritdoc IGroth16Keys
    function registerMany(bytes32 key, uint16 slots) external override returns (IGroth16Verifier verifier) {
        Entry storage base = _entries[key];
        require(address(base.verifier) != address(0), Groth16KeyUnknown(key));
        uint256 inputs = base.verifier.publicInputCount();
        require(
            base.layers.length == 0 && inputs == 3 && slots > 0 && slots <= MAX_SLOTS, Groth16ManyShape(inputs, slots)
        );
        bytes32 vkHash = keccak256(abi.encode(MANY_TAG, key, slots));
        Entry storage entry = _entries[vkHash];
        require(address(entry.verifier) == address(0), Groth16KeyKnown(vkHash, address(entry.verifier)));

        verifier = new Groth16ManyVerifier{salt: vkHash}(base.verifier, vkHash, slots);
        entry.verifier = verifier;
        entry.layers.push(key);
        _verifiers[address(verifier)] = true;
        emit Groth16ManyRegistered(vkHash, address(verifier), key, slots);
    }

    /// @inheritdoc IGroth16Keys
    function attestCeremony(bytes32 vkHash, bytes32 transcriptHash_) external override restricted {
        require(transcriptHash_ != bytes32(0), Groth16TranscriptMissing());
        uint8 level = setupLevel(vkHash);
        // What stands on other keys has no set-up of its own.
        require(level == 1 && _entries[vkHash].layers.length == 0, Groth16KeyNotAttestable(vkHash, level));
        _entries[vkHash].transcriptHash = transcriptHash_;
        emit Groth16CeremonyAttested(vkHash, transcriptHash_);
    }

    /// @inheritdoc IGroth16Keys
    function verifierOf(bytes32 vkHash) external view override returns (IGroth16Verifier) {
        return _entries[vkHash].verifier;
    }

    /// @inheritdoc IGroth16Keys
    function layersOf(bytes32 vkHash) external view override returns (bytes32[] memory) {
        return _entries[vkHash].layers;
    }

    /// @inheritdoc IGroth16Keys
    function isVerifier(address verifier) external view override returns (bool) {
        return _verifiers[verifier];
    }

    /// @inheritdoc IGroth16Keys
    function setupLevel(bytes32 vkHash) public view override returns (uint8) {
        Entry storage entry = _entries[vkHash];
        require(address(entry.verifier) != address(0), Groth16KeyUnknown(vkHash));
        if (entry.layers.length != 0) return _lowestLevel(entry.layers);
        if (entry.development) return 0;
        return entry.transcriptHash == bytes32(0) ? 1 : 2;
    }

    /// @inheritdoc IGroth16Keys
    function transcriptHash(bytes32 vkHash) external view override returns (bytes32) {
        return _entries[vkHash].transcriptHash;
    }

    function _lowestLevel(bytes32[] storage layers) private view returns (uint8 lowest) {
        lowest = 2;
        for (uint256 i = 0; i < layers.length; ++i) {
            uint8 level = setupLevel(layers[i]);
            if (level < lowest) lowest = level;
        }
    }

    /// @dev Hash of alpha, beta and gamma.
    function _sharedPoints(address key) private view returns (bytes32 digest) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            extcodecopy(key, free, 1, 320)
            digest := keccak256(free, 320)
        }
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
