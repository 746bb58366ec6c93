// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IProofSettlement, ProofRequest} from "../interfaces/IProofSettlement.sol";
import {OutputLanes} from "../libraries/OutputLanes.sol";

/// @title How a contract asks a model and uses the answer
/// @notice A question comes with a bounty. Whoever brings the proof of its answer is paid, in the same transaction.
contract ProofConsumer {
    struct Question {
        uint256 input;
        uint256 bounty;
        uint64 deadline;
        bool answered;
        int256 answer;
    }

    event Asked(uint96 indexed number, uint256 input);

    error ProofConsumerStatus(uint8 status);
    error ProofConsumerUnknown(uint96 number);

    IProofSettlement public immutable PROOFS;
    bytes32 public immutable MODEL;
    /// Of the one value that is used: packing.outputs of the model's public.json.
    uint256 private immutable OFFSET;
    uint256 private immutable WIDTH;
    int256 private immutable LOWEST;

    Question[] public questions;

    constructor(IProofSettlement proofs, bytes32 model, uint256 offset, uint256 width, int256 lowest) {
        (PROOFS, MODEL, OFFSET, WIDTH, LOWEST) = (proofs, model, offset, width, lowest);
    }

    function ask(uint256 input, uint64 deadline) external payable returns (uint96 number) {
        number = uint96(questions.length);
        questions.push(Question(input, msg.value, deadline, false, 0));
        emit Asked(number, input);
    }

    /// @notice The proof was made for whoever calls: a copy of the call from the mempool proves nothing for another caller.
    function answer(uint96 number, uint256 output, bytes calldata proof) external {
        require(number < questions.length, ProofConsumerUnknown(number));
        Question storage question = questions[number];
        uint256[] memory words = new uint256[](2);
        (words[0], words[1]) = (question.input, output);
        // Reverts unless it is proved, and the second time.
        PROOFS.settle(ProofRequest(number, MODEL, msg.sender, question.deadline), proof, words);

        uint8 status = OutputLanes.status(output);
        require(status == 0, ProofConsumerStatus(status));
        (question.answered, question.answer) = (true, OutputLanes.value(output, OFFSET, WIDTH, LOWEST));
        payable(msg.sender).transfer(question.bounty);
    }
}
