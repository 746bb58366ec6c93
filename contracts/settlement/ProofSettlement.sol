// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Verifier} from "../interfaces/IGroth16Verifier.sol";
import {IProofSettlement, ProofRequest, ProofRequests} from "../interfaces/IProofSettlement.sol";
import {IVerifierRouter} from "../interfaces/IVerifierRouter.sol";

/// @title Proofs without receipts
/// @dev The call to the verifier is laid out in memory once and its public inputs are written into their place: ctx never travels in
/// calldata, and no array is copied a second time.
contract ProofSettlement is IProofSettlement {
    /// A call to the verifier in the making: selector, offsets, proofs, inputs.
    struct Call {
        uint256 start;
        uint256 inputs; // where the first public input stands
        uint256 end;
    }

    /// Requests of a batch, in the word of the first and in the next one.
    struct Bits {
        uint256 low;
        uint256 high;
        uint256 twice;
    }

    bytes32 private constant TAG = keccak256("opengradient.proof-request.v1");
    uint256 private constant CONTEXT_MASK = (1 << 248) - 1;
    /// Words of a context's preimage, and the place of the request id among them.
    uint256 private constant PREIMAGE = 0xe0;
    uint256 private constant REQUEST_ID = 0x60;

    IVerifierRouter public immutable ROUTER;

    /// Bits of 256 consecutive requests of one asker, by requestId >> 8.
    mapping(uint256 word => uint256) private _settled;
    mapping(uint256 requestId => bytes32 statement) private _kept;

    constructor(IVerifierRouter router) {
        ROUTER = router;
    }

    /// @inheritdoc IProofSettlement
    function settle(ProofRequest calldata request, bytes calldata proof, uint256[] calldata words)
        external
        override
        returns (bytes32 statement)
    {
        (, statement) = _settle(request, proof, words);
    }

    /// @inheritdoc IProofSettlement
    function settleAndKeep(ProofRequest calldata request, bytes calldata proof, uint256[] calldata words)
        external
        override
        returns (bytes32 statement)
    {
        uint256 requestId;
        (requestId, statement) = _settle(request, proof, words);
        _kept[requestId] = statement;
    }

    /// @inheritdoc IProofSettlement
    function settleBatch(ProofRequests calldata requests, bytes calldata proofs, uint256[] calldata words)
        external
        override
        returns (bytes32 statements)
    {
        _requireOpen(requests.deadline);
        uint256 count = requests.offsets.length;
        require(count != 0 && words.length % count == 0, ProofSettlementCount(count, words.length));
        require(requests.first <= type(uint96).max - 255, ProofSettlementNumber(requests.first));
        uint256 first = requestIdOf(msg.sender, requests.first);

        uint256 preimage = _preimage(first, requests.modelId, requests.beneficiary, requests.deadline);
        Call memory made = _call(IGroth16Verifier.verifyBatch.selector, proofs, count + words.length);
        _take(first, _place(made.inputs, preimage, first, requests.offsets, words));
        _verify(requests.modelId, first, made);

        statements = _hash(made);
        emit ProofsSettled(
            msg.sender, requests.modelId, requests.beneficiary, requests.deadline, requests.first, requests.offsets, statements
        );
    }

    /// @inheritdoc IProofSettlement
    function isSettled(address asker, uint96 number) external view override returns (bool) {
        return (_settled[requestIdOf(asker, number) >> 8] >> (number & 0xff)) & 1 == 1;
    }

    /// @inheritdoc IProofSettlement
    function settledBits(address asker, uint96 word) external view override returns (uint256) {
        require(word <= type(uint96).max >> 8, ProofSettlementNumber(word));
        return _settled[requestIdOf(asker, word << 8) >> 8];
    }

    /// @inheritdoc IProofSettlement
    function answers(address asker, ProofRequest calldata request, uint256[] calldata words)
        external
        view
        override
        returns (bool)
    {
        bytes32 kept = _kept[requestIdOf(asker, request.number)];
        return kept != 0 && kept == keccak256(abi.encodePacked(contextOf(asker, request), words));
    }

    /// @inheritdoc IProofSettlement
    function contextOf(address asker, ProofRequest calldata request) public view override returns (uint256) {
        uint256 requestId = requestIdOf(asker, request.number);
        return _contextAt(_preimage(requestId, request.modelId, request.beneficiary, request.deadline));
    }

    /// @inheritdoc IProofSettlement
    function requestIdOf(address asker, uint96 number) public pure override returns (uint256) {
        return (uint256(uint160(asker)) << 96) | number;
    }

    function _settle(ProofRequest calldata request, bytes calldata proof, uint256[] calldata words)
        private
        returns (uint256 requestId, bytes32 statement)
    {
        _requireOpen(request.deadline);
        requestId = requestIdOf(msg.sender, request.number);
        _take(requestId >> 8, 1 << (requestId & 0xff), 0);
        uint256 context = _contextAt(_preimage(requestId, request.modelId, request.beneficiary, request.deadline));
        Call memory made = _call(IGroth16Verifier.verify.selector, proof, 1 + words.length);
        uint256 inputs = made.inputs;
        assembly ("memory-safe") {
            mstore(inputs, context)
            calldatacopy(add(inputs, 32), words.offset, shl(5, words.length))
        }
        _verify(request.modelId, requestId, made);
        statement = _hash(made);
        emit ProofSettled(requestId, request.modelId, request.beneficiary, request.deadline, words);
    }

    /// @dev Writes ctx and words of each request from `at` on, and collects the bits of all.
    function _place(uint256 at, uint256 preimage, uint256 first, bytes calldata offsets, uint256[] calldata words)
        private
        pure
        returns (Bits memory bits)
    {
        (uint256 low, uint256 high, uint256 twice) = (0, 0, 0);
        assembly ("memory-safe") {
            let width := shl(5, div(words.length, offsets.length))
            let from := words.offset
            let last := add(offsets.offset, offsets.length)
            for { let next := offsets.offset } lt(next, last) { next := add(next, 1) } {
                let offset := shr(248, calldataload(next))
                mstore(add(preimage, REQUEST_ID), add(first, offset))
                mstore(at, and(keccak256(preimage, PREIMAGE), CONTEXT_MASK))
                calldatacopy(add(at, 32), from, width)
                at := add(at, add(width, 32))
                from := add(from, width)

                let place := add(and(first, 0xff), offset)
                let bit := shl(and(place, 0xff), 1)
                switch shr(8, place)
                case 0 {
                    twice := or(twice, and(low, bit))
                    low := or(low, bit)
                }
                default {
                    twice := or(twice, and(high, bit))
                    high := or(high, bit)
                }
            }
        }
        (bits.low, bits.high, bits.twice) = (low, high, twice);
    }

    function _take(uint256 first, Bits memory bits) private {
        uint256 word = first >> 8;
        // Places of both words differ, since all lie within 256 of each other: what stands twice belongs to one of them.
        _take(word, bits.low, bits.twice & bits.low);
        if (bits.high != 0) _take(word + 1, bits.high, bits.twice & bits.high);
    }

    function _take(uint256 word, uint256 bits, uint256 twice) private {
        uint256 before = _settled[word];
        uint256 clash = (before & bits) | twice;
        if (clash != 0) revert ProofSettlementReplayed((word << 8) | _lowest(clash));
        _settled[word] = before | bits;
    }

    /// @dev Memory for a call with `count` public inputs, all but these written.
    function _call(bytes4 selector, bytes calldata proofs, uint256 count) private pure returns (Call memory made) {
        assembly ("memory-safe") {
            let padded := and(add(proofs.length, 31), not(31))
            // 28 bytes on, so that everything behind the selector stands on words.
            let start := add(mload(0x40), 28)
            mstore(start, selector)
            let head := add(start, 4)
            mstore(head, 0x40)
            mstore(add(head, 0x20), add(0x60, padded))
            mstore(add(head, 0x40), proofs.length)
            // The padding is zero because the proofs are copied over a zero.
            mstore(add(head, add(0x40, padded)), 0)
            calldatacopy(add(head, 0x60), proofs.offset, proofs.length)
            let inputs := add(head, add(0x60, padded))
            mstore(inputs, count)
            mstore(made, start)
            mstore(add(made, 0x20), add(inputs, 0x20))
            let end := add(add(inputs, 0x20), shl(5, count))
            mstore(add(made, 0x40), end)
            mstore(0x40, end)
        }
    }

    /// @dev Hands on what a verifier reverts with.
    function _verify(bytes32 modelId, uint256 firstRequestId, Call memory made) private view {
        IGroth16Verifier verifier = ROUTER.verifierFor(modelId);
        bool proved;
        assembly ("memory-safe") {
            let start := mload(made)
            let ok := staticcall(gas(), verifier, start, sub(mload(add(made, 0x40)), start), 0, 32)
            if iszero(ok) {
                let free := mload(0x40)
                returndatacopy(free, 0, returndatasize())
                revert(free, returndatasize())
            }
            proved := and(gt(returndatasize(), 31), eq(mload(0), 1))
        }
        require(proved, ProofSettlementInvalid(modelId, firstRequestId));
    }

    /// @dev keccak256 of all public inputs.
    function _hash(Call memory made) private pure returns (bytes32 digest) {
        (uint256 inputs, uint256 end) = (made.inputs, made.end);
        assembly ("memory-safe") {
            digest := keccak256(inputs, sub(end, inputs))
        }
    }

    function _requireOpen(uint64 deadline) private view {
        require(block.timestamp <= deadline, ProofSettlementExpired(deadline, block.timestamp));
    }

    /// @return at Memory of what a context is the hash of.
    function _preimage(uint256 requestId, bytes32 modelId, address beneficiary, uint64 deadline) private view returns (uint256 at) {
        bytes memory encoded = abi.encode(TAG, block.chainid, address(this), requestId, modelId, beneficiary, deadline);
        assembly ("memory-safe") {
            at := add(encoded, 32)
        }
    }

    function _contextAt(uint256 preimage) private pure returns (uint256 context) {
        assembly ("memory-safe") {
            context := and(keccak256(preimage, PREIMAGE), CONTEXT_MASK)
        }
    }

    /// @dev Place of the lowest bit that is set.
    function _lowest(uint256 bits) private pure returns (uint256 place) {
        while ((bits >> place) & 1 == 0) ++place;
    }
}
