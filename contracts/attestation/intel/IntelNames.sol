// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Der, DerTag} from "../der/Der.sol";

/// @title The common names that Intel's certificate profile fixes
library IntelNames {
    bytes32 internal constant PLATFORM_CA = keccak256("Intel SGX PCK Platform CA");
    bytes32 internal constant PROCESSOR_CA = keccak256("Intel SGX PCK Processor CA");
    bytes32 internal constant TCB_SIGNING = keccak256("Intel SGX TCB Signing");

    uint256 private constant SET = 0x31;
    uint256 private constant UTF8 = 0x0c;
    uint256 private constant PRINTABLE = 0x13;

    /// keccak256 of a name's common name, 0 when it has none. The first one counts.
    function common(uint256 position, uint256 end) internal pure returns (bytes32) {
        (uint256 next, uint256 stop) = Der.open(position, end, Der.SEQUENCE);
        while (next < stop) {
            (uint256 attribute, uint256 setEnd) = Der.open(next, stop, SET);
            (uint256 oid, uint256 attributeEnd) = Der.open(attribute, setEnd, Der.SEQUENCE);
            Der.close(attributeEnd, setEnd);
            (uint256 start, uint256 value) = Der.open(oid, attributeEnd, Der.OID);
            uint256 word;
            assembly {
                word := calldataload(start)
            }
            if (value - start == 3 && word >> 232 == 0x550403) {
                uint256 tag = Der.peek(value, attributeEnd);
                require(tag == UTF8 || tag == PRINTABLE, DerTag(value, UTF8, tag));
                (start, value) = Der.open(value, attributeEnd, tag);
                Der.close(value, attributeEnd);
                return keccak256(msg.data[start:value]);
            }
            next = setEnd;
        }
        return 0;
    }
}
