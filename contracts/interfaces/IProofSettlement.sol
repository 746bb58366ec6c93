// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// One request for a proof. The caller is the asker: it numbers its own requests and nobody else can use its numbers.
struct ProofRequest {
    uint96 number; // sequential numbers share words of 256 bits, which makes every one after the first of a word cheap
    bytes32 modelId;
    address beneficiary; // for whom the proof was made, e.g. who is paid for it
    uint64 deadline; // seconds: settled by then or never
}

/// Requests of one caller that are settled together.
struct ProofRequests {
    bytes32 modelId;
    address beneficiary;
    uint64 deadline;
    uint96 first; // any number that is not above those of the requests, nor 256 below
    bytes offsets; // one byte for each request, in the order of its statement: number = first + offset
}

/// @title Proofs without receipts
/// @notice Settles what a model version was proved to answer, for a contract or a person who asked for a proof and pays for it
/// outside of the receipts' system. A statement is (ctx, in..., out...): ctx names the request, `in` the input (packed words, or a
/// commitment to them), `out` the output in packed lanes with the status in the lowest (OutputLanes reads them).
///
/// REQUESTS. requestId = asker (160 bits) | number (96). The asker is whoever calls, so nobody can settle, or use up, another's
/// request: a proof of this request that stands in the mempool is worth nothing to whoever copies it. The asker chooses model,
/// beneficiary and deadline, the prover proves for exactly these.
/// ctx = low 248 bits of keccak256(abi.encode(TAG, chainId, this, requestId, modelId, beneficiary, deadline)).
/// REPLAY. A bit for each request, never the bytes of a proof: those can be re-randomised by anyone.
/// WHAT A CALLER LEARNS. A call that returns has proved its words: the version's integer program gives `out` for an input `in` that
/// the prover knows. Whether `in` is what was asked, the asker must compare; what to do with a status, it must decide. Contracts
/// call in the transaction that uses the words, or `settleAndKeep`, if somebody else shall be able to ask later.
/// LEVELS. A version's set-up level is its publisher's matter, and development keys count on development chains only. A contract that
/// wants a ceremony behind its answers asks VerifierRouter.route once, when it chooses the version: a level never falls.
/// VERSIONS. Any with proofs, by its own verifier (VerifierRouter: freezes, development keys): one circuit, a chain of layers, many
/// items in one proof.
/// GAS. Whole transactions, three public inputs: about 259,000 for one, 57,000 for each of 64 under one key, 5,500 for each of 64 in
/// one proof; `settleAndKeep` is 22,300 more.
interface IProofSettlement {
    /// @param words in..., out...
    event ProofSettled(
        uint256 indexed requestId, bytes32 indexed modelId, address indexed beneficiary, uint64 deadline, uint256[] words
    );
    /// @param statements keccak256 of (ctx, words) of each request, one after the other, in the order of `offsets`.
    event ProofsSettled(
        address indexed asker,
        bytes32 indexed modelId,
        address indexed beneficiary,
        uint64 deadline,
        uint96 first,
        bytes offsets,
        bytes32 statements
    );

    /// The request was settled before, or stands twice in this call.
    error ProofSettlementReplayed(uint256 requestId);
    error ProofSettlementExpired(uint64 deadline, uint256 now_);
    /// No request, or words that do not divide evenly among them.
    error ProofSettlementCount(uint256 requests, uint256 words);
    /// Numbers are below 2^96, and `first` leaves room for an offset.
    error ProofSettlementNumber(uint256 number);
    /// Not proved: of another model, request, beneficiary or deadline, with other words, or no proof at all. In a batch at least one is
    /// not: ask for halves (eth_call) to find it.
    error ProofSettlementInvalid(bytes32 modelId, uint256 firstRequestId);

    /// @notice Settles one request of the caller.
    /// @param proof As the version's verifier takes it (IGroth16Verifier.verify).
    /// @param words in..., out...: the public inputs behind ctx, each below the field.
    /// @return statement keccak256(ctx, words).
    function settle(ProofRequest calldata request, bytes calldata proof, uint256[] calldata words)
        external
        returns (bytes32 statement);

    /// @notice The same, and `answers` tells it for ever: about 22,300 gas more.
    function settleAndKeep(ProofRequest calldata request, bytes calldata proof, uint256[] calldata words)
        external
        returns (bytes32 statement);

    /// @notice Settles requests of one model under one check (IGroth16Verifier.verifyBatch). One bad part fails the whole.
    /// @param proofs As verifyBatch takes them.
    /// @param words in..., out... of each request. Statements stand in ascending order of keccak256(ctx, words).
    /// @return statements keccak256 of all of them, as in the event.
    function settleBatch(ProofRequests calldata requests, bytes calldata proofs, uint256[] calldata words)
        external
        returns (bytes32 statements);

    /// @notice Whether `asker` had its request settled; what it was about is in the event.
    function isSettled(address asker, uint96 number) external view returns (bool);

    /// @notice Bit i stands for request 256 * word + i of `asker`.
    function settledBits(address asker, uint96 word) external view returns (uint256);

    /// @notice Whether these words were settled for this request by settleAndKeep.
    function answers(address asker, ProofRequest calldata request, uint256[] calldata words) external view returns (bool);

    /// @notice ctx of a request: the first public input of its proof.
    function contextOf(address asker, ProofRequest calldata request) external view returns (uint256);

    function requestIdOf(address asker, uint96 number) external pure returns (uint256);
}
