// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Cbor} from "../attestation/cbor/Cbor.sol";
import {Der} from "../attestation/der/Der.sol";
import {X509} from "../attestation/der/X509.sol";

/// Opens the parsers one by one, many inputs a call, so that they can be compared with others.
contract ParserHarness {
    struct Outcome {
        bytes4 error; // 0: none
        bytes result;
    }

    function skip(bytes calldata data, bool strict) external pure returns (uint256 consumed) {
        (uint256 start, uint256 end) = _span(data);
        return Cbor.skip(start, end, strict) - start;
    }

    function time(bytes calldata data) external pure returns (uint256 seconds_, uint256 consumed) {
        (uint256 start, uint256 end) = _span(data);
        (seconds_, consumed) = Der.time(start, end);
        consumed -= start;
    }

    function unsigned(bytes calldata data) external pure returns (bytes memory content) {
        (uint256 start, uint256 end) = _span(data);
        (start, end) = Der.unsigned(start, end);
        return msg.data[start:end];
    }

    function certificate(bytes calldata tbs)
        external
        pure
        returns (uint256 notBefore, uint256 notAfter, bool authority, uint256 pathLength, uint256 keyUsage)
    {
        (uint256 start, uint256 end) = _span(tbs);
        X509.Certificate memory facts = X509.parse(start, end);
        return (facts.notBefore, facts.notAfter, facts.authority, facts.pathLength, facts.keyUsage);
    }

    /// Runs calls to this contract and keeps what comes of each.
    function each(bytes[] calldata calls) external view returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool ok, bytes memory result) = address(this).staticcall(calls[i]);
            if (ok) outcomes[i].result = result;
            else outcomes[i].error = result.length < 4 ? bytes4(0xffffffff) : bytes4(result);
        }
    }

    function _span(bytes calldata data) private pure returns (uint256 start, uint256 end) {
        assembly {
            start := data.offset
        }
        end = start + data.length;
    }
}
