// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IGroth16Errors, IGroth16Verifier} from "../interfaces/IGroth16Verifier.sol";
import {IGroth16Fold} from "../interfaces/IGroth16Fold.sol";
import {IGroth16Keys} from "../interfaces/IGroth16Keys.sol";
import {DevelopmentKey} from "../verifiers/DevelopmentKey.sol";
import {BN254_R, Groth16} from "./Groth16.sol";
import {Groth16FoldSum} from "./Groth16FoldSum.sol";
import {Groth16KeyCheck} from "./Groth16KeyCheck.sol";

/// @title Universal circuits and the keys that were folded from them
/// @notice What both ways to fold share: computing on chain (Groth16Fold), and claiming a result that anyone can refute
/// (Groth16FoldClaims).
abstract contract Groth16FoldCore is IGroth16Fold, AccessManaged {
    struct Circuit {
        bytes32 baseHash;
        uint32 weights;
        uint8 lanes;
        uint8 laneBits;
        bool development;
        /// Hash of alpha to delta: all keys of one ceremony have it, those of no other.
        bytes32 stem;
        bytes32[] chunkHashes;
    }

    bytes32 public constant CIRCUIT_TAG = keccak256("opengradient.groth16.universal.v1");
    uint256 internal constant CHUNK = 64;
    uint256 private constant HEAD = 448;
    /// Lanes stay clear of the field's order, whatever the signs.
    uint256 private constant WORD_BITS = 252;

    IGroth16Keys public immutable KEYS;
    mapping(bytes32 circuitHash => Circuit) private _circuits;
    mapping(bytes32 record => bool) private _folded;
    mapping(bytes32 circuitHash => bytes32) private _transcripts;
    mapping(bytes32 stem => bool) private _universal;

    constructor(address authority, IGroth16Keys keys) AccessManaged(authority) {
        KEYS = keys;
    }

    /// @inheritdoc IGroth16Fold
    function registerCircuit(
        bytes calldata base,
        bytes32[] calldata chunkHashes,
        uint32 weights,
        uint8 lanes,
        uint8 laneBits
    ) external override returns (bytes32 circuitHash) {
        Groth16KeyCheck.check(base);
        bool shaped = lanes > 0 && laneBits >= 8 && uint256(lanes) * laneBits <= WORD_BITS && weights > 0
            && chunkHashes.length == _ceil(_ceil(weights, lanes), CHUNK);
        require(shaped, Groth16FoldShape(weights, chunkHashes.length, lanes, laneBits));

        circuitHash = keccak256(abi.encode(CIRCUIT_TAG, keccak256(base), chunkHashes, weights, lanes, laneBits));
        Circuit storage circuit = _circuits[circuitHash];
        require(circuit.weights == 0, Groth16FoldCircuitKnown(circuitHash));
        circuit.baseHash = keccak256(base);
        (circuit.weights, circuit.lanes, circuit.laneBits) = (weights, lanes, laneBits);
        circuit.chunkHashes = chunkHashes;
        (circuit.stem, circuit.development) = (keccak256(base[:HEAD]), DevelopmentKey.sharesTrapdoor(base));
        emit Groth16CircuitRegistered(circuitHash, weights, chunkHashes.length);
    }

    /// @inheritdoc IGroth16Fold
    function attestCircuit(bytes32 circuitHash, bytes32 transcriptHash) external override restricted {
        require(transcriptHash != bytes32(0), IGroth16Keys.Groth16TranscriptMissing());
        Circuit storage circuit = _circuits[circuitHash];
        bytes32 stem = circuit.stem;
        bool development = circuit.development;
        if (circuit.weights == 0) {
            IGroth16Verifier whole = KEYS.verifierOf(circuitHash);
            require(address(whole) != address(0), Groth16FoldCircuitUnknown(circuitHash));
            (stem, development) = (_stemOf(whole.key()), KEYS.setupLevel(circuitHash) == 0);
        }
        require(!development, IGroth16Keys.Groth16KeyNotAttestable(circuitHash, 0));
        _transcripts[circuitHash] = transcriptHash;
        _universal[stem] = true;
        emit Groth16CircuitAttested(circuitHash, transcriptHash);
    }

    /// @inheritdoc IGroth16Fold
    function foldConstants(bytes calldata key, uint256[] calldata constants)
        external
        override
        returns (IGroth16Verifier verifier)
    {
        Groth16KeyCheck.check(key);
        uint256 inputs = (key.length - HEAD) / Groth16.G1_BYTES - 1;
        require(constants.length > 0 && constants.length < inputs, Groth16FoldConstants(constants.length, inputs));
        uint256 kept = key.length - constants.length * Groth16.G1_BYTES;
        uint256 sum = Groth16FoldSum.open(0, 0);
        for (uint256 i = 0; i < constants.length; ++i) {
            require(constants[i] < BN254_R, IGroth16Errors.Groth16InputNotInField(i, constants[i]));
            require(Groth16FoldSum.accumulate(sum, key[kept:], i, constants[i]), Groth16FoldPoint(i));
        }
        verifier = _register(key, kept, sum, keccak256(key), keccak256(abi.encodePacked(constants)));
    }

    /// @inheritdoc IGroth16Fold
    function inheritLevel(bytes32 vkHash, bytes32 circuitHash, bytes32 weightsHash) external override {
        require(isFolded(vkHash, circuitHash, weightsHash), Groth16FoldUnknown(vkHash, circuitHash, weightsHash));
        bytes32 transcript = _transcripts[circuitHash];
        require(transcript != bytes32(0), Groth16FoldNotAttested(circuitHash));
        KEYS.attestCeremony(vkHash, transcript);
    }

    /// @inheritdoc IGroth16Fold
    function isFolded(bytes32 vkHash, bytes32 circuitHash, bytes32 weightsHash) public view override returns (bool) {
        return _folded[keccak256(abi.encode(vkHash, circuitHash, weightsHash))];
    }

    /// @inheritdoc IGroth16Fold
    function isUniversal(bytes32 vkHash) external view override returns (bool) {
        bytes32[] memory layers = KEYS.layersOf(vkHash);
        if (layers.length == 0) return _isUniversal(vkHash);
        for (uint256 i = 0; i < layers.length; ++i) {
            if (_isUniversal(layers[i])) return true;
        }
        return false;
    }

    function _isUniversal(bytes32 vkHash) private view returns (bool) {
        IGroth16Verifier verifier = KEYS.verifierOf(vkHash);
        return address(verifier) != address(0) && _universal[_stemOf(verifier.key())];
    }

    /// @param key A key's contract.
    function _stemOf(address key) private view returns (bytes32 stem) {
        assembly ("memory-safe") {
            // Past the free pointer: needed for this hash only.
            let free := mload(0x40)
            extcodecopy(key, free, 1, HEAD)
            stem := keccak256(free, HEAD)
        }
    }

    /// @dev Registers `key[:kept]` with `sum` added to IC_0. Folding the same twice finds the verifier of the first time.
    function _register(bytes calldata key, uint256 kept, uint256 sum, bytes32 circuitHash, bytes32 weightsHash)
        internal
        returns (IGroth16Verifier verifier)
    {
        bytes memory made = _keyOf(key, kept, sum);
        bytes32 vkHash = keccak256(made);
        verifier = KEYS.verifierOf(vkHash);
        if (address(verifier) == address(0)) verifier = KEYS.register(made);
        _folded[keccak256(abi.encode(vkHash, circuitHash, weightsHash))] = true;
        emit Groth16KeyFolded(vkHash, circuitHash, weightsHash, address(verifier));
    }

    /// @dev `key[:kept]` with the point at `sum` added to IC_0.
    function _keyOf(bytes calldata key, uint256 kept, uint256 sum) internal view returns (bytes memory made) {
        made = key[:kept];
        uint256 ic0;
        assembly ("memory-safe") {
            ic0 := add(made, add(32, HEAD))
        }
        require(Groth16.add(ic0, sum, ic0), Groth16FoldPoint(0));
    }

    /// @dev Bytes of weights in chunk `chunk`.
    function _weightsIn(Circuit storage circuit, uint256 chunk) internal view returns (uint256) {
        uint256 full = CHUNK * circuit.lanes;
        uint256 left = circuit.weights - chunk * full;
        return left < full ? left : full;
    }

    function _circuit(bytes32 circuitHash) internal view returns (Circuit storage circuit) {
        circuit = _circuits[circuitHash];
        require(circuit.weights != 0, Groth16FoldCircuitUnknown(circuitHash));
    }

    function _foldId(bytes32 circuitHash, address sender, bytes32 salt) internal pure returns (bytes32) {
        return keccak256(abi.encode(circuitHash, sender, salt));
    }

    function _ceil(uint256 value, uint256 step) internal pure returns (uint256) {
        return (value + step - 1) / step;
    }
}
