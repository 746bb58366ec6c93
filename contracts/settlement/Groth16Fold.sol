// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Verifier} from "../interfaces/IGroth16Verifier.sol";
import {IGroth16Fold} from "../interfaces/IGroth16Fold.sol";
import {IGroth16Keys} from "../interfaces/IGroth16Keys.sol";
import {Groth16FoldClaims} from "./Groth16FoldClaims.sol";
import {Groth16FoldSum} from "./Groth16FoldSum.sol";

/// @title Folding of weights into keys
contract Groth16Fold is Groth16FoldClaims {
    struct Progress {
        uint256 done;
        bytes32 weightsHash;
        /// Sum so far; (0, 0) is infinity.
        uint256 x;
        uint256 y;
    }

    mapping(bytes32 foldId => Progress) private _progress;

    /// @param bond Of a claim, in wei. @param window In seconds: how long anyone may refute it.
    constructor(address authority, IGroth16Keys keys, uint96 bond, uint40 window)
        Groth16FoldClaims(authority, keys, bond, window)
    {}

    /// @inheritdoc IGroth16Fold
    function fold(bytes32 circuitHash, bytes32 salt, bytes calldata points, bytes calldata weights) external override {
        Circuit storage circuit = _circuit(circuitHash);
        Progress storage state = _progress[_foldId(circuitHash, msg.sender, salt)];
        uint256 chunk = state.done;
        require(chunk < circuit.chunkHashes.length, Groth16FoldComplete(chunk));
        bytes32 given = keccak256(points);
        require(given == circuit.chunkHashes[chunk], Groth16FoldChunk(chunk, given, circuit.chunkHashes[chunk]));
        uint256 expected = _weightsIn(circuit, chunk);
        require(weights.length == expected, Groth16FoldWeights(weights.length, expected));

        uint256 sum = Groth16FoldSum.open(state.x, state.y);
        require(
            Groth16FoldSum.add(sum, points, weights, circuit.lanes, circuit.laneBits), Groth16FoldPoint(chunk)
        );
        (state.x, state.y) = Groth16FoldSum.read(sum);
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

        verifier = _register(base, base.length, Groth16FoldSum.open(state.x, state.y), circuitHash, state.weightsHash);
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
}
