// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Verifier} from "../interfaces/IGroth16Verifier.sol";

/// @title The least that a settlement does with proofs
/// @notice For gas figures: verification, one bit per request against replay, one event per proof. Public inputs are
/// (ctx, in, out).
contract Groth16SettleHarness {
    event Settled(bytes32 indexed statement, uint256 indexed request);

    event SettledMany(bytes32 indexed statements, uint256 indexed first, uint256 count);

    error HarnessReplayed(uint256 request);
    error HarnessProofRejected();

    mapping(uint256 word => uint256) private _used;

    function settle(IGroth16Verifier verifier, uint256 request, bytes calldata proof, uint256[] calldata inputs) external {
        require(verifier.verify(proof, inputs), HarnessProofRejected());
        _use(request);
        emit Settled(keccak256(abi.encodePacked(inputs)), request);
    }

    /// @notice Requests `first`, `first + 1`, ... in the order of the items.
    function settleBatch(IGroth16Verifier verifier, uint256 first, bytes calldata proofs, uint256[] calldata inputs)
        external
    {
        require(verifier.verifyBatch(proofs, inputs), HarnessProofRejected());
        uint256 count = inputs.length / 3;
        for (uint256 i = 0; i < count; ++i) {
            _use(first + i);
            emit Settled(keccak256(abi.encodePacked(inputs[3 * i:3 * i + 3])), first + i);
        }
    }

    /// @notice The same with one event for all: what the calldata lists, the event commits to. Requests share one bitmap word.
    function settleMany(IGroth16Verifier verifier, uint256 first, bytes calldata proofs, uint256[] calldata inputs)
        external
    {
        require(verifier.verifyBatch(proofs, inputs), HarnessProofRejected());
        uint256 count = inputs.length / 3;
        uint256 mask = ((1 << count) - 1) << (first & 255);
        uint256 word = _used[first >> 8];
        require(word & mask == 0, HarnessReplayed(first));
        _used[first >> 8] = word | mask;
        bytes32 statements;
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, inputs.offset, shl(5, inputs.length))
            statements := keccak256(free, shl(5, inputs.length))
        }
        emit SettledMany(statements, first, count);
    }

    function _use(uint256 request) private {
        uint256 bit = 1 << (request & 255);
        uint256 word = _used[request >> 8];
        require(word & bit == 0, HarnessReplayed(request));
        _used[request >> 8] = word | bit;
    }
}
