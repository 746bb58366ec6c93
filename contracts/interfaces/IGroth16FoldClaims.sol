// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IGroth16Verifier} from "./IGroth16Verifier.sol";

/// The next chunks of a claim, each part one after the other: IC points, weights (a signed byte each), the sum after each chunk.
struct Chunks {
    bytes points;
    bytes weights;
    bytes sums;
}

/// Which chunk of whose claim.
struct ChunkRef {
    bytes32 circuitHash;
    address registrant;
    bytes32 salt;
    uint256 chunk;
}

/// The claimed sums before and after a chunk; (0, 0) is infinity.
struct SumPair {
    uint256 x;
    uint256 y;
    uint256 nextX;
    uint256 nextY;
}

/// @title Folds that are claimed instead of computed
/// @notice The registrant posts the sum after each chunk of 64 words, with a bond; the contract computes none of them. Whoever finds
/// one that does not follow from the sum before it has that chunk computed (about 0.7 Mgas) and takes half of the bond, the other
/// half is burnt. A key of a claim that stood for the whole window is as good as a computed one, and `isFolded` says so.
///
/// WHY ONE CHUNK DECIDES. The first sum starts from zero and each chunk from what the one before ended with, so a wrong last sum
/// means that some chunk is wrong. Points and weights of every chunk stand in calldata, the points checked against the circuit:
/// whoever can read the chain can refute.
/// TRUST. One party that watches, and a chain that includes a transaction within the window. Who wants neither computes
/// (IGroth16Fold.fold). Until the window closes the key is not folded, whatever anyone registers.
/// COST. About 1,900 gas for each packed word, against 11,500, and five slots.
/// LIFE. postChunks (once or more) - sealClaim - the window - finishClaim. Refuted or abandoned claims leave nothing behind.
interface IGroth16FoldClaims {
    event Groth16ChunksPosted(
        bytes32 indexed claimId, bytes32 indexed circuitHash, address indexed registrant, bytes32 salt, uint256 posted
    );
    event Groth16FoldClaimed(
        bytes32 indexed claimId, bytes32 indexed vkHash, bytes32 indexed circuitHash, bytes32 weightsHash, uint40 closesAt
    );
    event Groth16ClaimRefuted(bytes32 indexed claimId, uint256 chunk, address indexed challenger, uint256 reward);
    event Groth16ClaimAbandoned(bytes32 indexed claimId);

    /// Bond of two wei or more, window of a second or more.
    error Groth16ClaimParameters(uint256 bond, uint256 window);
    /// The first call of a claim brings exactly the bond, later ones nothing.
    error Groth16ClaimBond(uint256 given, uint256 expected);
    /// Sums come in points of 64 bytes, one for each chunk.
    error Groth16ClaimSums(uint256 length);
    error Groth16ClaimUnknown(bytes32 claimId);
    /// The window runs: nothing of the claim can change.
    error Groth16ClaimSealed(bytes32 claimId, uint40 closesAt);
    /// Not yet: the window closes then. Zero: it has not been opened.
    error Groth16ClaimOpen(bytes32 claimId, uint40 closesAt);
    /// Too late: the window has closed.
    error Groth16ClaimClosed(bytes32 claimId, uint40 closesAt);
    /// Not the sums and weights that were posted for this chunk.
    error Groth16ClaimLeaf(bytes32 claimId, uint256 chunk, bytes32 given);
    /// The chunk was computed and is right.
    error Groth16ClaimHolds(bytes32 claimId, uint256 chunk);
    error Groth16ClaimNoCredit(address account);
    error Groth16ClaimTransfer(address account, uint256 amount);

    /// @notice Posts the sender's next chunks. Resumable; another salt is another claim.
    function postChunks(bytes32 circuitHash, bytes32 salt, Chunks calldata chunks) external payable;

    /// @notice Opens the window, when all chunks are in. Reverts for a key that Groth16Keys would refuse.
    /// @param base Key of the inputs that remain, as at registration of the circuit.
    function sealClaim(bytes32 circuitHash, bytes32 salt, bytes calldata base) external;

    /// @notice Computes one chunk. Ends the claim if its sum is another one, reverts if it is right.
    function refute(ChunkRef calldata ref, SumPair calldata sums, bytes calldata points, bytes calldata weights) external;

    /// @notice Registers the key after the window and returns the bond. Anyone.
    function finishClaim(bytes32 circuitHash, address registrant, bytes32 salt, bytes calldata base)
        external
        returns (IGroth16Verifier verifier);

    /// @notice Takes a claim back before its window has opened, and the bond.
    function abandonClaim(bytes32 circuitHash, bytes32 salt) external;

    /// @notice Pays out what `account` has here; for address zero that is what was burnt.
    function withdrawCredit(address account) external;

    /// @notice Reverts with the reason if Groth16Keys would not register `key` on this chain.
    function requireRegistrable(bytes calldata key) external view;

    /// @notice Chunks that were posted, the end of the window (zero before `sealClaim`), and the weights' hash so far.
    function claimOf(bytes32 circuitHash, address registrant, bytes32 salt)
        external
        view
        returns (uint256 posted, uint40 closesAt, bytes32 weightsHash);

    function creditOf(address account) external view returns (uint256);
    function CLAIM_BOND() external view returns (uint96);
    function CLAIM_WINDOW() external view returns (uint40);
}
