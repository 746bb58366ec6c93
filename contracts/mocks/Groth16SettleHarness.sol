// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Verifier} from "../interfaces/IGroth16Verifier.sol";

/// @title The least that a settlement does with proofs
/// @notice For gas figures: verification, one bit per request against replay, one event per proof. Public inputs are
/// (ctx, in, out).
contract Groth16SettleHarness {
    event Settled(bytes32 indexed statement, uint256 indexed request);

    error HarnessReplayed(uint256 request);
    error HarnessProofRejected();

    mapping(uint256 word => uint256) private _used;

    function settle(IGroth16Verifier verifier, uint256 request, bytes calldata proof, uint256[] calldata inputs) external {
        require(verifier.verify(proof, inputs), HarnessProofRejected());
        _use(request);
        emit Settled(keccak256(abi.encodePacked(inputs)), request);
    }

    /// @notice Requests `first`, `first + 1`, ... in the order of the proofs.
    function settleBatch(IGroth16Verifier verifier, uint256 first, bytes calldata proofs, uint256[] calldata inputs)
        external
    {
        require(verifier.verifyBatch(proofs, inputs), HarnessProofRejected());
        uint256 count = proofs.length / 256;
        for (uint256 i = 0; i < count; ++i) {
            _use(first + i);
            emit Settled(keccak256(abi.encodePacked(inputs[3 * i:3 * i + 3])), first + i);
        }
    }

    function _use(uint256 request) private {
        uint256 bit = 1 << (request & 255);
        uint256 word = _used[request >> 8];
        require(word & bit == 0, HarnessReplayed(request));
        _used[request >> 8] = word | bit;
    }
}
