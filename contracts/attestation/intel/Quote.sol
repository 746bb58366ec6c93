// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITdxVerifier} from "../../interfaces/ITdxVerifier.sol";
import {Der} from "../der/Der.sol";

/// @title The parts of an Intel quote, by position
/// @dev The table is in ITdxVerifier. Integers of quotes are little-endian.
library Quote {
    /// Positions in the call's data.
    struct Parts {
        uint256 header;
        uint256 body;
        uint256 bodyEnd;
        uint256 signature;
        uint256 key;
        uint256 qe;
        uint256 qeSignature;
        uint256 auth;
        uint256 authEnd;
        uint256 pckEnd; // the certificate's signed part starts at authEnd
        uint256 claims; // 0 without
        bool tdx;
    }

    uint256 internal constant SGX_REPORT = 384;
    uint256 internal constant TD_10 = 584;
    uint256 internal constant TD_15 = 648;
    uint256 private constant HEADER = 48;
    uint256 private constant DESCRIPTOR = 6;
    uint256 private constant SIGNATURE = 64;
    uint256 private constant KEY = 64;
    uint256 private constant CLAIMS = 96;
    uint256 private constant ECDSA_P256 = 2;
    uint256 private constant TEE_SGX = 0;
    uint256 private constant TEE_TDX = 0x81;
    bytes16 private constant INTEL = 0x939a7233f79c4ca9940a0db3957f0607;

    function split(bytes calldata evidence) internal pure returns (Parts memory parts) {
        unchecked {
            uint256 at;
            assembly {
                at := evidence.offset
            }
            uint256 end = at + evidence.length;
            require(evidence.length > HEADER + DESCRIPTOR, ITdxVerifier.TdxLength(evidence.length, HEADER + DESCRIPTOR));
            parts.header = at;
            uint256 size;
            (parts.tdx, size, parts.body) = _body(at);
            parts.bodyEnd = parts.body + size;
            parts.signature = parts.bodyEnd;
            parts.key = parts.signature + SIGNATURE;
            parts.qe = parts.key + KEY;
            parts.qeSignature = parts.qe + SGX_REPORT;
            at = parts.qeSignature + SIGNATURE;
            require(at + 2 <= end, ITdxVerifier.TdxLength(evidence.length, at + 2 - parts.header));
            parts.auth = at + 2;
            parts.authEnd = parts.auth + little(at, 2);
            (, parts.pckEnd) = Der.open(parts.authEnd, end, Der.SEQUENCE);
            at = parts.pckEnd + SIGNATURE;
            if (at + CLAIMS == end) parts.claims = at;
            else require(at == end, ITdxVerifier.TdxLength(evidence.length, at - parts.header));
        }
    }

    /// A little-endian number of 2 or 4 bytes.
    function little(uint256 position, uint256 size) internal pure returns (uint256 value) {
        uint256 word = uint256(load(position));
        value = (word >> 248) | ((word >> 232) & 0xff00);
        if (size == 4) value |= ((word >> 216) & 0xff0000) | ((word >> 200) & 0xff000000);
    }

    function load(uint256 position) internal pure returns (bytes32 word) {
        assembly {
            word := calldataload(position)
        }
    }

    function _body(uint256 at) private pure returns (bool tdx, uint256 size, uint256 body) {
        uint256 version = little(at, 2);
        uint256 keyType = little(at + 2, 2);
        uint256 teeType = little(at + 4, 4);
        bytes16 vendor = bytes16(load(at + 12));
        tdx = teeType == TEE_TDX;
        bool known = version == 3 ? teeType == TEE_SGX : version > 3 && version < 6 && (tdx || teeType == TEE_SGX);
        require(known, ITdxVerifier.TdxVersion(version, teeType));
        require(keyType == ECDSA_P256, ITdxVerifier.TdxKeyType(keyType));
        require(vendor == INTEL, ITdxVerifier.TdxVendor(vendor));
        body = at + HEADER;
        if (version != 5) return (tdx, tdx ? TD_10 : SGX_REPORT, body);

        uint256 bodyType = little(body, 2);
        size = little(body + 2, 4);
        bool fits = tdx ? (bodyType == 2 && size == TD_10) || (bodyType == 3 && size == TD_15) : bodyType == 1 && size == SGX_REPORT;
        require(fits, ITdxVerifier.TdxBody(bodyType, size));
        body += DESCRIPTOR;
    }
}
