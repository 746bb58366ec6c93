// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITdxVerifier} from "../../interfaces/ITdxVerifier.sol";
import {Der} from "../der/Der.sol";

/// @title The SGX extension of PCK certificates (Intel's certificate profile, OID 1.2.840.113741.1.13.1)
library Pck {
    struct Facts {
        uint256 cpuSvn; // sixteen components, the first on top of the high half of a word
        uint256 pceSvn;
        bytes6 fmspc;
        bytes2 pceId;
    }

    /// Tag, length and content of the extension's OID, left-aligned.
    bytes32 internal constant EXTENSION = bytes32(hex"06092a864886f84d010d01");

    /// OID 1.2.840.113741.1.13.1.x without its last byte.
    uint256 private constant OID_PREFIX = 0x060a2a864886f84d010d01;
    uint256 private constant TCB = 2;
    uint256 private constant PCE_ID = 3;
    uint256 private constant FMSPC = 4;
    uint256 private constant NEEDED = (1 << TCB) | (1 << PCE_ID) | (1 << FMSPC);

    /// OID 1.2.840.113741.1.13.1.2.x without its last byte.
    uint256 private constant COMPONENT = 0x060b2a864886f84d010d0102;
    uint256 private constant COMPONENTS = 16;

    function parse(uint256 position, uint256 end) internal pure returns (Facts memory facts) {
        (uint256 next, uint256 stop) = Der.open(position, end, Der.SEQUENCE);
        Der.close(stop, end);
        uint256 seen;
        while (next < stop) {
            (uint256 at, uint256 entryEnd) = Der.open(next, stop, Der.SEQUENCE);
            uint256 word = _word(at);
            // OID of twelve bytes, the last of which tells which.
            require(at + 12 <= entryEnd && word >> 168 == OID_PREFIX, ITdxVerifier.TdxSgxExtension(at));
            uint256 id = (word >> 160) & 0xff;
            require(id < 128 && seen & (1 << id) == 0, ITdxVerifier.TdxSgxExtension(at));
            seen |= 1 << id;
            at += 12;
            if (id == TCB) {
                _tcb(facts, at, entryEnd);
            } else if (id == PCE_ID) {
                facts.pceId = bytes2(_octets(at, entryEnd, 2));
            } else if (id == FMSPC) {
                facts.fmspc = bytes6(_octets(at, entryEnd, 6));
            }
            next = entryEnd;
        }
        require(seen & NEEDED == NEEDED, ITdxVerifier.TdxSgxExtension(position));
    }

    /// Components 1 to 16, PCESVN and CPUSVN, in this order, each under its own OID.
    function _tcb(Facts memory facts, uint256 position, uint256 end) private pure {
        (uint256 next, uint256 stop) = Der.open(position, end, Der.SEQUENCE);
        Der.close(stop, end);
        uint256 value;
        uint256 components;
        for (uint256 i = 1; i <= COMPONENTS; ++i) {
            (value, next) = _component(next, stop, i);
            require(value < 256, ITdxVerifier.TdxSgxExtension(next));
            components = (components << 8) | value;
        }
        facts.cpuSvn = components << 128;
        (facts.pceSvn, next) = _component(next, stop, COMPONENTS + 1);
        // The raw CPUSVN, which nothing is compared with.
        (, next) = Der.open(next, stop, Der.SEQUENCE);
        Der.close(next, stop);
    }

    /// SEQUENCE { OID ...2.i, INTEGER of one to three bytes }, read as one word.
    function _component(uint256 position, uint256 end, uint256 i) private pure returns (uint256 value, uint256 next) {
        uint256 word = _word(position);
        unchecked {
            // 30 length | 06 0b OID without its end | i | 02 size | value
            uint256 size = (word >> 120) & 0xff;
            next = position + 17 + size;
            bool form = word >> 240 == 0x300f + size && (word >> 144) & type(uint96).max == COMPONENT
                && (word >> 136) & 0xff == i && (word >> 128) & 0xff == Der.INTEGER;
            require(form && size != 0 && size < 4 && next <= end, ITdxVerifier.TdxSgxExtension(position));
            value = (word << 136) >> (256 - 8 * size);
            // Not negative, and no zero byte but for the sign.
            uint256 first = (word >> 112) & 0xff;
            bool minimal = first < 0x80 && (first != 0 || size == 1 || (word >> 111) & 1 == 1);
            require(minimal && value < 65_536, ITdxVerifier.TdxSgxExtension(position));
        }
    }

    function _octets(uint256 position, uint256 end, uint256 length) private pure returns (bytes32) {
        (uint256 start, uint256 stop) = Der.open(position, end, Der.OCTET_STRING);
        Der.close(stop, end);
        require(stop - start == length, ITdxVerifier.TdxSgxExtension(position));
        return bytes32(_word(start));
    }

    function _word(uint256 position) private pure returns (uint256 word) {
        assembly {
            word := calldataload(position)
        }
    }
}
