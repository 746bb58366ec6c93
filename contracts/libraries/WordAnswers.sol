// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

/// @title Requests and answers in words
/// @notice An `int` program may be asked in the very words that its proofs have as public inputs, and then answers in words. Such
/// a request has one text and one right answer, which a contract can write down again from a proof:
///   {"model":"<name>","words":["0x<64 hex digits>",...]}   and   {"words":["0x<64 hex digits>",...]}
/// (RFC 8785). The commitments are those of every request and answer, see sdk/protocol/commitments.ts.
library WordAnswers {
    bytes32 private constant REQUEST_TYPEHASH = keccak256("Request(bytes32 salt,bytes32 canonicalHash)");
    bytes32 private constant RESPONSE_TYPEHASH = keccak256("Response(bytes32 saltHash,uint8 kind,uint8 finish,bytes32 contentHash)");
    uint8 private constant KIND_TENSORS = 2;
    uint8 private constant FINISH_STOP = 1;

    /// A name with a quote could end its string and bring words of its own.
    error WordAnswersName(string model);

    /// @param words The request's, `words[first]` to `words[last - 1]`.
    function requestHash(bytes32 salt, string memory model, uint256[] memory words, uint256 first, uint256 last)
        internal
        pure
        returns (bytes32)
    {
        bytes memory name = bytes(model);
        for (uint256 i = 0; i < name.length; ++i) {
            bool plain = name[i] >= 0x20 && name[i] <= 0x7e && name[i] != 0x22 && name[i] != 0x5c;
            require(plain, WordAnswersName(model));
        }
        bytes memory text = abi.encodePacked("{\"model\":\"", model, "\",\"words\":", _list(words, first, last), "}");
        return keccak256(abi.encode(REQUEST_TYPEHASH, salt, keccak256(text)));
    }

    /// @notice Of the answer that ends with these words and nothing else.
    function responseHash(bytes32 salt, uint256[] memory words, uint256 first, uint256 last) internal pure returns (bytes32) {
        bytes memory text = abi.encodePacked("{\"words\":", _list(words, first, last), "}");
        bytes32 saltHash = keccak256(abi.encodePacked(salt, "res"));
        return keccak256(abi.encode(RESPONSE_TYPEHASH, saltHash, KIND_TENSORS, FINISH_STOP, keccak256(text)));
    }

    function _list(uint256[] memory words, uint256 first, uint256 last) private pure returns (bytes memory text) {
        for (uint256 i = first; i < last; ++i) {
            text = abi.encodePacked(text, i == first ? "\"" : ",\"", Strings.toHexString(words[i], 32), "\"");
        }
        return abi.encodePacked("[", text, "]");
    }
}
