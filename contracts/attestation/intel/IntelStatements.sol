// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {X509P256} from "../der/X509P256.sol";
import {Crl} from "./Crl.sol";
import {Json} from "./Json.sol";
import {Statement} from "./Statement.sol";

/// @title Reader of Intel's signed statements
/// @notice Stateless; apart from IntelCollateral only because both together are larger than a contract may be.
contract IntelStatements {
    function readTcb(bytes calldata json) external pure returns (uint256 teeType, Statement.Tcb memory tcb) {
        return Statement.readTcb(_reader(json));
    }

    function readQe(bytes calldata json) external pure returns (uint256 teeType, Statement.Qe memory qe) {
        return Statement.readQe(_reader(json));
    }

    /// A revocation list, the hash of its signed part, and the signature.
    function readCrl(bytes calldata der)
        external
        pure
        returns (Crl.List memory list, bytes32 digest, uint256 r, uint256 s)
    {
        uint256 start;
        assembly {
            start := der.offset
        }
        uint256 tbs;
        uint256 tbsEnd;
        (tbs, tbsEnd, r, s) = X509P256.envelope(start, start + der.length);
        list = Crl.parse(tbs, tbsEnd);
        digest = sha256(msg.data[tbs:tbsEnd]);
    }

    function _reader(bytes calldata json) private pure returns (Json.Reader memory reader) {
        uint256 start;
        assembly {
            start := json.offset
        }
        (reader.at, reader.end) = (start, start + json.length);
    }
}
