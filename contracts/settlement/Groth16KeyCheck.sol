// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Keys} from "../interfaces/IGroth16Keys.sol";
import {Groth16} from "./Groth16.sol";

/// @title What a verifying key must be before anything is verified under it
/// @notice Each check closes a way to forge that was met in deployed systems: an uncontributed key (delta is the generator),
/// gamma equal to delta, IC points that are zero or equal. Points are checked here, once, so that verification need not.
library Groth16KeyCheck {
    uint256 private constant HEAD = 448;
    uint256 private constant MAX_INPUTS = 256;
    /// Infinity is written as zeros.
    bytes32 private constant ZERO_G1 = keccak256(abi.encode(0, 0));
    bytes32 private constant ZERO_G2 = keccak256(abi.encode(0, 0, 0, 0));
    bytes32 private constant G2_GENERATOR = keccak256(
        abi.encode(
            11559732032986387107991004021392285783925812861821192530917403151452391805634,
            10857046999023057135944570762232829481370756359578518086990519993285655852781,
            4082367875863433681332203403145435568316851327593401208105741076214120093531,
            8495653923123431417604973247489272438418190587263600148770280649306958101930
        )
    );

    function check(bytes calldata key) internal view {
        require(
            key.length >= HEAD + 2 * Groth16.G1_BYTES && (key.length - HEAD) % Groth16.G1_BYTES == 0,
            IGroth16Keys.Groth16KeyLength(key.length)
        );
        uint256 points = (key.length - HEAD) / Groth16.G1_BYTES;
        require(points - 1 <= MAX_INPUTS, IGroth16Keys.Groth16KeyInputs(points - 1, MAX_INPUTS));

        bytes calldata gamma = key[192:320];
        bytes calldata delta = key[320:448];
        require(keccak256(delta) != G2_GENERATOR, IGroth16Keys.Groth16KeyDeltaIsGenerator());
        require(keccak256(delta) != keccak256(gamma), IGroth16Keys.Groth16KeyGammaIsDelta());

        requireG1(key[:64], 0);
        requireG2(key[64:192], 1);
        requireG2(gamma, 2);
        requireG2(delta, 3);
        // IC_0 belongs to the constant and may not equal another one either: its input would be shifted by one for free.
        bytes32[] memory seen = new bytes32[](points);
        for (uint256 i = 0; i < points; ++i) {
            bytes calldata point = key[HEAD + 64 * i:HEAD + 64 * (i + 1)];
            requireG1(point, 4 + i);
            bytes32 hash = keccak256(point);
            for (uint256 j = 0; j < i; ++j) {
                require(seen[j] != hash, IGroth16Keys.Groth16KeyIcRepeated(j, i));
            }
            seen[i] = hash;
        }
    }

    function requireG1(bytes calldata point, uint256 index) private view {
        uint256 at = Groth16.allocate(64);
        assembly ("memory-safe") {
            calldatacopy(at, point.offset, 64)
        }
        // Adding it to itself asks the precompile whether it is on the curve.
        bool valid = keccak256(point) != ZERO_G1 && Groth16.add(at, at, at);
        require(valid, IGroth16Keys.Groth16KeyPoint(index));
    }

    function requireG2(bytes calldata point, uint256 index) private view {
        uint256 pair = Groth16.allocate(Groth16.PAIR_BYTES);
        assembly ("memory-safe") {
            // Infinity in G1: the pairing is one for any point of the subgroup and fails for anything else.
            mstore(pair, 0)
            mstore(add(pair, 32), 0)
            calldatacopy(add(pair, 64), point.offset, 128)
        }
        bool valid = keccak256(point) != ZERO_G2 && Groth16.pairing(pair, 1);
        require(valid, IGroth16Keys.Groth16KeyPoint(index));
    }
}
