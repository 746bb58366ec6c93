// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChunkRef, Chunks, IGroth16FoldClaims, SumPair} from "../interfaces/IGroth16FoldClaims.sol";
import {IGroth16Keys} from "../interfaces/IGroth16Keys.sol";
import {IGroth16Verifier} from "../interfaces/IGroth16Verifier.sol";
import {DevelopmentKey} from "../verifiers/DevelopmentKey.sol";
import {Groth16FoldCore} from "./Groth16FoldCore.sol";
import {Groth16FoldSum} from "./Groth16FoldSum.sol";
import {Groth16KeyCheck} from "./Groth16KeyCheck.sol";

/// @title Claimed folds, refutable chunk by chunk
abstract contract Groth16FoldClaims is IGroth16FoldClaims, Groth16FoldCore {
    struct Claim {
        /// Zero: no claim.
        address registrant;
        uint96 bond;
        uint40 closesAt;
        uint32 posted;
        bytes32 weightsHash;
        /// The last sum that was posted; (0, 0) is infinity.
        uint256 x;
        uint256 y;
    }

    struct Cursor {
        uint256 point;
        uint256 weight;
        uint256 sum;
    }

    uint96 public immutable override CLAIM_BOND;
    uint40 public immutable override CLAIM_WINDOW;

    mapping(bytes32 claimId => Claim) private _claims;
    /// Hash of the sums before and after the chunk, and of its weights. Stale ones lie behind `posted`.
    mapping(bytes32 claimId => mapping(uint256 chunk => bytes32)) private _leaves;
    mapping(address account => uint256) private _credits;

    constructor(address authority, IGroth16Keys keys, uint96 bond, uint40 window) Groth16FoldCore(authority, keys) {
        require(bond > 1 && window > 0, Groth16ClaimParameters(bond, window));
        (CLAIM_BOND, CLAIM_WINDOW) = (bond, window);
    }

    /// @inheritdoc IGroth16FoldClaims
    function postChunks(bytes32 circuitHash, bytes32 salt, Chunks calldata chunks) external payable override {
        bytes32 claimId = _foldId(circuitHash, msg.sender, salt);
        Claim memory claim = _claims[claimId];
        uint256 due = claim.registrant == address(0) ? CLAIM_BOND : 0;
        require(msg.value == due, Groth16ClaimBond(msg.value, due));
        if (due != 0) (claim.registrant, claim.bond) = (msg.sender, CLAIM_BOND);
        uint256 count = chunks.sums.length / 64;
        require(count > 0 && chunks.sums.length % 64 == 0, Groth16ClaimSums(chunks.sums.length));
        uint256 total = _circuit(circuitHash).chunkHashes.length;
        require(claim.posted + count <= total, Groth16FoldComplete(total));

        Cursor memory at;
        for (uint256 i = 0; i < count; ++i) {
            _postChunk(_circuit(circuitHash), claimId, claim, chunks, at);
        }
        require(at.weight == chunks.weights.length, Groth16FoldWeights(chunks.weights.length, at.weight));
        _claims[claimId] = claim;
        emit Groth16ChunksPosted(claimId, circuitHash, msg.sender, salt, claim.posted);
    }

    /// @inheritdoc IGroth16FoldClaims
    function sealClaim(bytes32 circuitHash, bytes32 salt, bytes calldata base) external override {
        Circuit storage circuit = _circuit(circuitHash);
        bytes32 claimId = _foldId(circuitHash, msg.sender, salt);
        Claim storage claim = _open(claimId);
        require(claim.closesAt == 0, Groth16ClaimSealed(claimId, claim.closesAt));
        require(claim.posted == circuit.chunkHashes.length, Groth16FoldIncomplete(claim.posted, circuit.chunkHashes.length));
        require(keccak256(base) == circuit.baseHash, Groth16FoldBase(keccak256(base), circuit.baseHash));

        bytes memory key = _keyOf(base, base.length, Groth16FoldSum.open(claim.x, claim.y));
        // Now, not after the window: a bond shall not wait for a key that cannot be registered.
        this.requireRegistrable(key);
        claim.closesAt = uint40(block.timestamp) + CLAIM_WINDOW;
        emit Groth16FoldClaimed(claimId, keccak256(key), circuitHash, claim.weightsHash, claim.closesAt);
    }

    /// @inheritdoc IGroth16FoldClaims
    function refute(ChunkRef calldata ref, SumPair calldata sums, bytes calldata points, bytes calldata weights)
        external
        override
    {
        Circuit storage circuit = _circuit(ref.circuitHash);
        bytes32 claimId = _foldId(ref.circuitHash, ref.registrant, ref.salt);
        Claim storage claim = _open(claimId);
        require(claim.closesAt == 0 || block.timestamp < claim.closesAt, Groth16ClaimClosed(claimId, claim.closesAt));
        bytes32 leaf = _leaf(sums.x, sums.y, sums.nextX, sums.nextY, keccak256(weights));
        require(ref.chunk < claim.posted && leaf == _leaves[claimId][ref.chunk], Groth16ClaimLeaf(claimId, ref.chunk, leaf));
        leaf = circuit.chunkHashes[ref.chunk];
        require(keccak256(points) == leaf, Groth16FoldChunk(ref.chunk, keccak256(points), leaf));

        uint256 sum = Groth16FoldSum.open(sums.x, sums.y);
        if (Groth16FoldSum.add(sum, points, weights, circuit.lanes, circuit.laneBits)) {
            (uint256 x, uint256 y) = Groth16FoldSum.read(sum);
            require(x != sums.nextX || y != sums.nextY, Groth16ClaimHolds(claimId, ref.chunk));
        }

        _refuted(claimId, ref.chunk);
    }

    /// @inheritdoc IGroth16FoldClaims
    function finishClaim(bytes32 circuitHash, address registrant, bytes32 salt, bytes calldata base)
        external
        override
        returns (IGroth16Verifier verifier)
    {
        bytes32 claimId = _foldId(circuitHash, registrant, salt);
        Claim memory claim = _open(claimId);
        require(claim.closesAt != 0 && block.timestamp >= claim.closesAt, Groth16ClaimOpen(claimId, claim.closesAt));
        bytes32 baseHash = _circuit(circuitHash).baseHash;
        require(keccak256(base) == baseHash, Groth16FoldBase(keccak256(base), baseHash));

        delete _claims[claimId];
        _credits[registrant] += claim.bond;
        verifier = _register(base, base.length, Groth16FoldSum.open(claim.x, claim.y), circuitHash, claim.weightsHash);
    }

    /// @inheritdoc IGroth16FoldClaims
    function abandonClaim(bytes32 circuitHash, bytes32 salt) external override {
        bytes32 claimId = _foldId(circuitHash, msg.sender, salt);
        Claim storage claim = _open(claimId);
        require(claim.closesAt == 0, Groth16ClaimSealed(claimId, claim.closesAt));
        _credits[msg.sender] += claim.bond;
        delete _claims[claimId];
        emit Groth16ClaimAbandoned(claimId);
    }

    /// @inheritdoc IGroth16FoldClaims
    function withdrawCredit(address account) external override {
        uint256 amount = _credits[account];
        require(amount > 0, Groth16ClaimNoCredit(account));
        _credits[account] = 0;
        (bool sent,) = account.call{value: amount}("");
        require(sent, Groth16ClaimTransfer(account, amount));
    }

    /// @inheritdoc IGroth16FoldClaims
    function requireRegistrable(bytes calldata key) external view override {
        Groth16KeyCheck.check(key);
        require(
            !DevelopmentKey.sharesTrapdoor(key) || DevelopmentKey.allowedOn(block.chainid),
            IGroth16Keys.Groth16KeyDevelopment(block.chainid)
        );
    }

    /// @inheritdoc IGroth16FoldClaims
    function claimOf(bytes32 circuitHash, address registrant, bytes32 salt)
        external
        view
        override
        returns (uint256 posted, uint40 closesAt, bytes32 weightsHash)
    {
        Claim storage claim = _claims[_foldId(circuitHash, registrant, salt)];
        return (claim.posted, claim.closesAt, claim.weightsHash);
    }

    /// @inheritdoc IGroth16FoldClaims
    function creditOf(address account) external view override returns (uint256) {
        return _credits[account];
    }

    /// @dev The next chunk of `claim`, from where the cursor stands.
    function _postChunk(
        Circuit storage circuit,
        bytes32 claimId,
        Claim memory claim,
        Chunks calldata chunks,
        Cursor memory at
    ) private {
        uint256 size = _weightsIn(circuit, claim.posted);
        require(chunks.weights.length >= at.weight + size, Groth16FoldWeights(chunks.weights.length, at.weight + size));
        // All that a challenger needs stands in calldata: nobody can claim a sum over points that he alone knows.
        uint256 end = at.point + _ceil(size, circuit.lanes) * 64;
        bytes32 given = keccak256(chunks.points.length < end ? chunks.points : chunks.points[at.point:end]);
        bytes32 expected = circuit.chunkHashes[claim.posted];
        require(given == expected, Groth16FoldChunk(claim.posted, given, expected));

        bytes32 weightsHash = keccak256(chunks.weights[at.weight:at.weight + size]);
        (uint256 x, uint256 y) = (uint256(bytes32(chunks.sums[at.sum:])), uint256(bytes32(chunks.sums[at.sum + 32:])));
        _leaves[claimId][claim.posted] = _leaf(claim.x, claim.y, x, y, weightsHash);
        claim.weightsHash = keccak256(abi.encode(claim.weightsHash, weightsHash));
        (claim.x, claim.y, claim.posted) = (x, y, claim.posted + 1);
        (at.point, at.weight, at.sum) = (end, at.weight + size, at.sum + 64);
    }

    function _refuted(bytes32 claimId, uint256 chunk) private {
        uint256 bond = _claims[claimId].bond;
        delete _claims[claimId];
        // Half is burnt: refuting oneself in front of an honest challenger shall cost.
        uint256 reward = bond / 2;
        _credits[msg.sender] += reward;
        _credits[address(0)] += bond - reward;
        emit Groth16ClaimRefuted(claimId, chunk, msg.sender, reward);
    }

    function _open(bytes32 claimId) private view returns (Claim storage claim) {
        claim = _claims[claimId];
        require(claim.registrant != address(0), Groth16ClaimUnknown(claimId));
    }

    function _leaf(uint256 x, uint256 y, uint256 nextX, uint256 nextY, bytes32 weightsHash) private pure returns (bytes32) {
        return keccak256(abi.encode(x, y, nextX, nextY, weightsHash));
    }
}
