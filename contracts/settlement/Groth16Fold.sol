// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IGroth16Errors, IGroth16Verifier} from "../interfaces/IGroth16Verifier.sol";
import {IGroth16Fold} from "../interfaces/IGroth16Fold.sol";
import {IGroth16Keys} from "../interfaces/IGroth16Keys.sol";
import {Groth16} from "./Groth16.sol";
import {Groth16KeyCheck} from "./Groth16KeyCheck.sol";

/// @title Folding of weights into keys
contract Groth16Fold is IGroth16Fold, AccessManaged {
    struct Circuit {
        bytes32 baseHash;
        bytes32 transcriptHash;
        uint32 weights;
        uint8 lanes;
        uint8 laneBits;
        bytes32[] chunkHashes;
    }

    struct Progress {
        uint256 done;
        bytes32 weightsHash;
        /// Sum so far; (0, 0) is infinity.
        uint256 x;
        uint256 y;
    }

    bytes32 public constant CIRCUIT_TAG = keccak256("opengradient.groth16.universal.v1");
    uint256 private constant CHUNK = 64;
    uint256 private constant HEAD = 448;
    /// Lanes stay clear of the field's order, whatever the signs.
    uint256 private constant WORD_BITS = 252;

    IGroth16Keys public immutable KEYS;
    mapping(bytes32 circuitHash => Circuit) private _circuits;
    mapping(bytes32 foldId => Progress) private _progress;
    mapping(bytes32 record => bool) private _folded;

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
        emit Groth16CircuitRegistered(circuitHash, weights, chunkHashes.length);
    }

    /// @inheritdoc IGroth16Fold
    function attestCircuit(bytes32 circuitHash, bytes32 transcriptHash) external override restricted {
        require(transcriptHash != bytes32(0), IGroth16Keys.Groth16TranscriptMissing());
        _circuit(circuitHash).transcriptHash = transcriptHash;
        emit Groth16CircuitAttested(circuitHash, transcriptHash);
    }

    /// @inheritdoc IGroth16Fold
    function fold(bytes32 circuitHash, bytes32 salt, bytes calldata points, bytes calldata weights) external override {
        Circuit storage circuit = _circuit(circuitHash);
        Progress storage state = _progress[_foldId(circuitHash, msg.sender, salt)];
        uint256 chunk = state.done;
        require(chunk < circuit.chunkHashes.length, Groth16FoldComplete(chunk));
        bytes32 given = keccak256(points);
        require(given == circuit.chunkHashes[chunk], Groth16FoldChunk(chunk, given, circuit.chunkHashes[chunk]));
        uint256 left = circuit.weights - chunk * CHUNK * circuit.lanes;
        uint256 expected = left < CHUNK * circuit.lanes ? left : CHUNK * circuit.lanes;
        require(weights.length == expected, Groth16FoldWeights(weights.length, expected));

        (state.x, state.y) = _foldChunk(state.x, state.y, points, weights, circuit.lanes, circuit.laneBits);
        state.weightsHash = keccak256(abi.encode(state.weightsHash, keccak256(weights)));
        state.done = chunk + 1;
        emit Groth16ChunkFolded(circuitHash, msg.sender, salt, chunk);
    }

    /// @inheritdoc IGroth16Fold
    function finish(bytes32 circuitHash, bytes32 salt, bytes calldata base)
        external
        override
        returns (IGroth16Verifier verifier)
    {
        Circuit storage circuit = _circuit(circuitHash);
        Progress memory state = _progress[_foldId(circuitHash, msg.sender, salt)];
        require(state.done == circuit.chunkHashes.length, Groth16FoldIncomplete(state.done, circuit.chunkHashes.length));
        require(keccak256(base) == circuit.baseHash, Groth16FoldBase(keccak256(base), circuit.baseHash));

        uint256 sum = Groth16.allocate(128);
        assembly ("memory-safe") {
            mstore(sum, mload(add(state, 64)))
            mstore(add(sum, 32), mload(add(state, 96)))
        }
        verifier = _register(base, base.length, sum, circuitHash, state.weightsHash);
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
        uint256 sum = Groth16.allocate(128);
        assembly ("memory-safe") {
            mstore(sum, 0)
            mstore(add(sum, 32), 0)
        }
        for (uint256 i = 0; i < constants.length; ++i) {
            require(constants[i] < Groth16.R, IGroth16Errors.Groth16InputNotInField(i, constants[i]));
            _accumulate(sum, key[kept:], i, constants[i]);
        }
        verifier = _register(key, kept, sum, keccak256(key), keccak256(abi.encodePacked(constants)));
    }

    /// @inheritdoc IGroth16Fold
    function inheritLevel(bytes32 vkHash, bytes32 circuitHash, bytes32 weightsHash) external override {
        require(isFolded(vkHash, circuitHash, weightsHash), Groth16FoldUnknown(vkHash, circuitHash, weightsHash));
        bytes32 transcript = _circuits[circuitHash].transcriptHash;
        if (transcript == bytes32(0)) transcript = KEYS.transcriptHash(circuitHash);
        require(transcript != bytes32(0), Groth16FoldNotAttested(circuitHash));
        KEYS.attestCeremony(vkHash, transcript);
    }

    /// @inheritdoc IGroth16Fold
    function isFolded(bytes32 vkHash, bytes32 circuitHash, bytes32 weightsHash) public view override returns (bool) {
        return _folded[keccak256(abi.encode(vkHash, circuitHash, weightsHash))];
    }

    /// @inheritdoc IGroth16Fold
    function progress(bytes32 circuitHash, address sender, bytes32 salt)
        external
        view
        override
        returns (uint256 done, uint256 chunks)
    {
        return (_progress[_foldId(circuitHash, sender, salt)].done, _circuit(circuitHash).chunkHashes.length);
    }

    function _foldChunk(uint256 x, uint256 y, bytes calldata points, bytes calldata weights, uint256 lanes, uint256 laneBits)
        private
        view
        returns (uint256, uint256)
    {
        uint256 sum = Groth16.allocate(128);
        assembly ("memory-safe") {
            mstore(sum, x)
            mstore(add(sum, 32), y)
        }
        uint256 first = 0;
        for (uint256 i = 0; first < weights.length; ++i) {
            uint256 last = first + lanes < weights.length ? first + lanes : weights.length;
            _accumulate(sum, points, i, _pack(weights[first:last], laneBits));
            first = last;
        }
        assembly ("memory-safe") {
            x := mload(sum)
            y := mload(add(sum, 32))
        }
        return (x, y);
    }

    /// @dev sum += scalar * point. The second half of the 128 bytes at `sum` is scratch.
    function _accumulate(uint256 sum, bytes calldata points, uint256 index, uint256 scalar) private view {
        uint256 term = sum + 64;
        assembly ("memory-safe") {
            calldatacopy(term, add(points.offset, mul(index, 64)), 64)
        }
        require(Groth16.multiply(term, scalar, term) && Groth16.add(sum, term, sum), Groth16FoldPoint(index));
    }

    /// @dev Signed bytes, low lane first, as a field element.
    function _pack(bytes calldata weights, uint256 laneBits) private pure returns (uint256) {
        int256 word = 0;
        assembly ("memory-safe") {
            // At most 252 bits and a sign: cannot overflow.
            for { let lane := 0 } lt(lane, weights.length) { lane := add(lane, 1) } {
                let weight := signextend(0, byte(0, calldataload(add(weights.offset, lane))))
                word := add(word, shl(mul(laneBits, lane), weight))
            }
        }
        return word < 0 ? Groth16.R - uint256(-word) : uint256(word);
    }

    /// @dev Registers `key[:kept]` with `sum` added to IC_0. Folding the same twice finds the verifier of the first time.
    function _register(bytes calldata key, uint256 kept, uint256 sum, bytes32 circuitHash, bytes32 weightsHash)
        private
        returns (IGroth16Verifier verifier)
    {
        bytes memory made = key[:kept];
        uint256 ic0;
        assembly ("memory-safe") {
            ic0 := add(made, add(32, HEAD))
        }
        require(Groth16.add(ic0, sum, ic0), Groth16FoldPoint(0));
        bytes32 vkHash = keccak256(made);
        verifier = KEYS.verifierOf(vkHash);
        if (address(verifier) == address(0)) verifier = KEYS.register(made);
        _folded[keccak256(abi.encode(vkHash, circuitHash, weightsHash))] = true;
        emit Groth16KeyFolded(vkHash, circuitHash, weightsHash, address(verifier));
    }

    function _circuit(bytes32 circuitHash) private view returns (Circuit storage circuit) {
        circuit = _circuits[circuitHash];
        require(circuit.weights != 0, Groth16FoldCircuitUnknown(circuitHash));
    }

    function _foldId(bytes32 circuitHash, address sender, bytes32 salt) private pure returns (bytes32) {
        return keccak256(abi.encode(circuitHash, sender, salt));
    }

    function _ceil(uint256 value, uint256 step) private pure returns (uint256) {
        return (value + step - 1) / step;
    }
}
