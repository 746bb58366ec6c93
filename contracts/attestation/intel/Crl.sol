// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IIntelCollateral} from "../../interfaces/IIntelCollateral.sol";
import {Der} from "../der/Der.sol";
import {X509CriticalExtension} from "../der/X509.sol";
import {X509P256} from "../der/X509P256.sol";

/// @title Certificate revocation lists (RFC 5280, section 5), complete and direct ones
/// @dev Delta lists, indirect lists and lists of a part say so in critical extensions, and those are refused.
library Crl {
    struct List {
        bytes32 authority; // keccak256(issuer's name | authority key id)
        uint256 issued;
        uint256 until;
        uint256[] serials;
    }

    uint256 private constant EXPLICIT_EXTENSIONS = 0xa0;
    uint256 private constant DELTA = 27;
    uint256 private constant DISTRIBUTION_POINT = 28;
    /// The shortest entry: a sequence with a serial number of one byte and a UTCTime.
    uint256 private constant MIN_ENTRY = 20;

    function parse(uint256 tbs, uint256 end) internal pure returns (List memory list) {
        (uint256 position,) = Der.open(tbs, end, Der.SEQUENCE);
        uint256 next;
        uint256 version;
        (version, next) = X509P256.number(position, end);
        require(version == 1, IIntelCollateral.IntelCrlForm(position));
        uint256 issuer = X509P256.algorithm(next);
        (, uint256 issuerEnd) = Der.open(issuer, end, Der.SEQUENCE);
        (list.issued, next) = Der.time(issuerEnd, end);
        (list.until, next) = Der.time(next, end);
        if (Der.peek(next, end) == Der.SEQUENCE) {
            (position, next) = Der.open(next, end, Der.SEQUENCE);
            list.serials = _entries(position, next);
        }
        _extensions(list, next, end, issuer, issuerEnd);
    }

    function _entries(uint256 position, uint256 end) private pure returns (uint256[] memory serials) {
        require(position < end, IIntelCollateral.IntelCrlForm(position));
        serials = new uint256[]((end - position) / MIN_ENTRY);
        uint256 count;
        while (position < end) {
            (uint256 at, uint256 stop) = Der.open(position, end, Der.SEQUENCE);
            uint256 serial;
            (serial, at) = X509P256.serialNumber(at, stop);
            (, at) = Der.time(at, stop);
            if (at < stop) {
                (uint256 list, uint256 listEnd) = Der.open(at, stop, Der.SEQUENCE);
                Der.close(listEnd, stop);
                while (list < listEnd) {
                    (, bool critical,,, uint256 after_) = X509P256.extension(list, listEnd);
                    // The one critical entry there is names another issuer.
                    require(!critical, X509CriticalExtension(list));
                    list = after_;
                }
            }
            require(count < serials.length, IIntelCollateral.IntelCrlForm(position));
            serials[count++] = serial;
            position = stop;
        }
        assembly {
            mstore(serials, count)
        }
    }

    function _extensions(List memory list, uint256 position, uint256 end, uint256 issuer, uint256 issuerEnd) private pure {
        (uint256 next, uint256 stop) = Der.open(position, end, EXPLICIT_EXTENSIONS);
        Der.close(stop, end);
        (next, stop) = Der.open(next, end, Der.SEQUENCE);
        Der.close(stop, end);
        while (next < stop) {
            (uint256 id, bool critical, uint256 start, uint256 valueEnd, uint256 after_) = X509P256.extension(next, stop);
            require(!critical, X509CriticalExtension(next));
            require(id != DELTA && id != DISTRIBUTION_POINT, IIntelCollateral.IntelCrlForm(next));
            if (id == 35) {
                require(list.authority == 0, IIntelCollateral.IntelCrlForm(next));
                (start, valueEnd) = X509P256.authorityKeyId(start, valueEnd);
                list.authority = X509P256.keyOf(issuer, issuerEnd, start, valueEnd);
            }
            next = after_;
        }
        require(list.authority != 0, IIntelCollateral.IntelCrlForm(position));
    }
}
