// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IIntelCollateral} from "../../interfaces/IIntelCollateral.sol";
import {Json} from "./Json.sol";

/// @title TCB information and QE identities, read once into words that are cheap to compare
/// @dev A level's components take one word, SGX in the high half, TDX in the low one; what else it has (PCE SVN or QE SVN, and
/// status) takes 24 bits, ten levels to a word. A module's levels share one word, 16 bits each.
library Statement {
    using Json for Json.Reader;

    struct Tcb {
        uint256 issued;
        uint256 until;
        uint256 evaluation;
        bytes6 fmspc;
        bytes2 pceId;
        uint256 levels;
        uint256 tdxLevels; // those with components of TDX
        uint256 flatLevels; // those that name each component by its number: version 2
        uint256[] components;
        uint256[] tails;
        uint256 modules;
        uint256[] moduleVersions;
        uint256[] moduleLevels;
    }

    struct Qe {
        uint256 issued;
        uint256 until;
        uint256 evaluation;
        bytes32 signer;
        bytes16 attributes;
        bytes16 attributesMask;
        bytes4 miscSelect;
        bytes4 miscSelectMask;
        uint256 product;
        uint256 levels;
        uint256[] tails;
    }

    uint256 internal constant TDX = 2;
    uint256 internal constant SGX = 3;
    uint256 internal constant MAX_LEVELS = 30;
    uint256 internal constant TAIL_BITS = 24;
    uint256 internal constant TAILS_PER_WORD = 10;
    uint256 internal constant MAX_MODULES = 8;
    uint256 internal constant MAX_MODULE_LEVELS = 12;
    uint256 internal constant MODULE_BITS = 16;

    /// pcesvn and sixteen components, one by one.
    uint256 private constant FLAT_TCB = 4 | (0xffff << 3);
    uint256 private constant OUT_OF_DATE = 4;
    uint256 private constant REVOKED = 6;
    uint256 internal constant UNSUPPORTED = 7;

    function readTcb(Json.Reader memory reader) internal pure returns (uint256 teeType, Tcb memory tcb) {
        tcb.components = new uint256[](MAX_LEVELS);
        tcb.tails = new uint256[](MAX_LEVELS / TAILS_PER_WORD);
        tcb.moduleVersions = new uint256[](MAX_MODULES);
        tcb.moduleLevels = new uint256[](MAX_MODULES);
        uint256 seen;
        uint256 version;
        reader.take(Json.OPEN);
        do {
            uint256 at = reader.at;
            bytes32 key = reader.key();
            uint256 bit;
            if (key == "id") {
                (bit, teeType) = (1, _oneOf(reader, "TDX", "SGX"));
            } else if (key == "version") {
                (bit, version) = (2, reader.number());
                require(version == 2 || version == 3, IIntelCollateral.IntelStatementType(at, key));
            } else if (key == "issueDate") {
                (bit, tcb.issued) = (4, reader.time());
            } else if (key == "nextUpdate") {
                (bit, tcb.until) = (8, reader.time());
            } else if (key == "fmspc") {
                (bit, tcb.fmspc) = (16, bytes6(reader.hexadecimal(6)));
            } else if (key == "pceId") {
                (bit, tcb.pceId) = (32, bytes2(reader.hexadecimal(2)));
            } else if (key == "tcbType") {
                bit = 64;
                _requireNumber(reader, 0, key);
            } else if (key == "tcbEvaluationDataNumber") {
                (bit, tcb.evaluation) = (128, reader.number());
            } else if (key == "tcbLevels") {
                bit = 256;
                _tcbLevels(reader, tcb);
            } else if (key == "tdxModule") {
                bit = 512;
                _module(reader);
            } else if (key == "tdxModuleIdentities") {
                bit = 1024;
                _modules(reader, tcb);
            } else {
                reader.skip();
            }
            require(seen & bit == 0, IIntelCollateral.IntelStatementMember(at, seen));
            seen |= bit;
        } while (reader.more(Json.CLOSE));
        // Version 2 knows no other kind than SGX, so it does not name it.
        if (version == 2 && seen & 1 == 0) (teeType, seen) = (SGX, seen | 1);
        else require(version != 2, IIntelCollateral.IntelStatementMember(reader.at, seen));
        _end(reader, seen & 0x1ff == 0x1ff, seen);
        require(tcb.flatLevels == (version == 2 ? tcb.levels : 0), IIntelCollateral.IntelStatementType(reader.at, "sgxtcbcomponents"));
        // TDX members stand in TDX information and nowhere else. Identities of versions came with TDX 1.5.
        bool tdx = teeType == TDX;
        require(seen >> 9 == 0 ? !tdx : tdx && seen & 512 != 0, IIntelCollateral.IntelStatementMember(reader.at, seen));
        bool complete = tcb.tdxLevels == (tdx ? tcb.levels : 0);
        require(complete, IIntelCollateral.IntelStatementType(reader.at, "tdxtcbcomponents"));
    }

    function readQe(Json.Reader memory reader) internal pure returns (uint256 teeType, Qe memory qe) {
        qe.tails = new uint256[](MAX_LEVELS / TAILS_PER_WORD);
        uint256 seen;
        reader.take(Json.OPEN);
        do {
            uint256 at = reader.at;
            bytes32 key = reader.key();
            uint256 bit;
            if (key == "id") {
                (bit, teeType) = (1, _oneOf(reader, "TD_QE", "QE"));
            } else if (key == "version") {
                bit = 2;
                _requireNumber(reader, 2, key);
            } else if (key == "issueDate") {
                (bit, qe.issued) = (4, reader.time());
            } else if (key == "nextUpdate") {
                (bit, qe.until) = (8, reader.time());
            } else if (key == "tcbEvaluationDataNumber") {
                (bit, qe.evaluation) = (16, reader.number());
            } else if (key == "miscselect") {
                (bit, qe.miscSelect) = (32, bytes4(reader.hexadecimal(4)));
            } else if (key == "miscselectMask") {
                (bit, qe.miscSelectMask) = (64, bytes4(reader.hexadecimal(4)));
            } else if (key == "attributes") {
                (bit, qe.attributes) = (128, bytes16(reader.hexadecimal(16)));
            } else if (key == "attributesMask") {
                (bit, qe.attributesMask) = (256, bytes16(reader.hexadecimal(16)));
            } else if (key == "mrsigner") {
                (bit, qe.signer) = (512, reader.hexadecimal(32));
            } else if (key == "isvprodid") {
                (bit, qe.product) = (1024, _small(reader, 16));
            } else if (key == "tcbLevels") {
                bit = 2048;
                reader.take(Json.OPEN_LIST);
                do {
                    (uint256 svn, uint256 status) = _isvLevel(reader);
                    _tail(qe.tails, qe.levels++, svn, status, reader.at);
                } while (reader.more(Json.CLOSE_LIST));
            } else {
                reader.skip();
            }
            require(seen & bit == 0, IIntelCollateral.IntelStatementMember(at, seen));
            seen |= bit;
        } while (reader.more(Json.CLOSE));
        _end(reader, seen == 0xfff, seen);
    }

    /// The worse of two: what the module or the quoting enclave lacks drags the platform's status down (Intel's own table).
    function converge(uint256 status, uint256 other) internal pure returns (uint256) {
        if (status == REVOKED || other == REVOKED) return REVOKED;
        if (other < OUT_OF_DATE) return status > other ? status : other;
        // 0, 1 -> 4; 2, 3 -> 5: out of date, and the configuration is still wanting.
        if (status < OUT_OF_DATE) return other == OUT_OF_DATE ? OUT_OF_DATE + (status >> 1) : other;
        return status > other ? status : other;
    }

    function _tcbLevels(Json.Reader memory reader, Tcb memory tcb) private pure {
        reader.take(Json.OPEN_LIST);
        do {
            uint256 at = reader.at;
            require(tcb.levels < MAX_LEVELS, IIntelCollateral.IntelStatementSize(at));
            uint256 seen;
            uint256 svn;
            uint256 status;
            reader.take(Json.OPEN);
            do {
                bytes32 key = reader.key();
                uint256 bit;
                if (key == "tcb") {
                    bit = 1;
                    (tcb.components[tcb.levels], svn) = _tcb(reader, tcb);
                } else if (key == "tcbStatus") {
                    (bit, status) = (2, _status(reader));
                } else {
                    reader.skip();
                }
                require(seen & bit == 0, IIntelCollateral.IntelStatementMember(at, seen));
                seen |= bit;
            } while (reader.more(Json.CLOSE));
            require(seen == 3, IIntelCollateral.IntelStatementMember(at, seen));
            _tail(tcb.tails, tcb.levels++, svn, status, at);
        } while (reader.more(Json.CLOSE_LIST));
    }

    function _tcb(Json.Reader memory reader, Tcb memory tcb) private pure returns (uint256 components, uint256 pceSvn) {
        uint256 at = reader.at;
        uint256 seen;
        reader.take(Json.OPEN);
        do {
            bytes32 key = reader.key();
            uint256 bit;
            if (key == "sgxtcbcomponents") {
                bit = 1;
                components |= _components(reader) << 128;
            } else if (key == "tdxtcbcomponents") {
                bit = 2;
                components |= _components(reader);
                ++tcb.tdxLevels;
            } else if (key == "pcesvn") {
                (bit, pceSvn) = (4, _small(reader, 16));
            } else {
                uint256 number = _componentNumber(key);
                if (number == 0) {
                    reader.skip();
                } else {
                    bit = 4 << number;
                    components |= _small(reader, 8) << (256 - 8 * number);
                }
            }
            require(seen & bit == 0, IIntelCollateral.IntelStatementMember(at, seen));
            seen |= bit;
        } while (reader.more(Json.CLOSE));
        // Components as a list, or one by one, all sixteen.
        bool flat = seen == FLAT_TCB;
        require(flat || (seen & 5 == 5 && seen < 8), IIntelCollateral.IntelStatementMember(at, seen));
        if (flat) ++tcb.flatLevels;
    }

    /// @return number Of "sgxtcbcomp01svn" to "sgxtcbcomp16svn"; 0 for any other name.
    function _componentNumber(bytes32 key) private pure returns (uint256 number) {
        if (bytes10(key) != "sgxtcbcomp" || bytes20(key << 96) != bytes20("svn")) return 0;
        (uint256 tens, uint256 ones) = (uint8(key[10]), uint8(key[11]));
        if (tens < 0x30 || tens > 0x31 || ones < 0x30 || ones > 0x39) return 0;
        number = 10 * (tens - 0x30) + ones - 0x30;
        if (number > 16) return 0;
    }

    /// Sixteen objects, of which only `svn` counts.
    function _components(Json.Reader memory reader) private pure returns (uint256 value) {
        uint256 at = reader.at;
        uint256 count;
        reader.take(Json.OPEN_LIST);
        do {
            bool found;
            reader.take(Json.OPEN);
            do {
                if (reader.key() == "svn") {
                    require(!found, IIntelCollateral.IntelStatementMember(at, 1));
                    found = true;
                    value = (value << 8) | _small(reader, 8);
                } else {
                    reader.skip();
                }
            } while (reader.more(Json.CLOSE));
            require(found && ++count < 17, IIntelCollateral.IntelStatementSize(at));
        } while (reader.more(Json.CLOSE_LIST));
        require(count == 16, IIntelCollateral.IntelStatementSize(at));
    }

    function _modules(Json.Reader memory reader, Tcb memory tcb) private pure {
        reader.take(Json.OPEN_LIST);
        if (reader.peek() == Json.CLOSE_LIST) {
            reader.take(Json.CLOSE_LIST);
            return;
        }
        do {
            uint256 at = reader.at;
            require(tcb.modules < MAX_MODULES, IIntelCollateral.IntelStatementSize(at));
            (uint256 version, uint256 levels) = _module(reader);
            require(version != 0 && levels != 0, IIntelCollateral.IntelStatementMember(at, version));
            for (uint256 i = 0; i < tcb.modules; ++i) {
                require(tcb.moduleVersions[i] != version, IIntelCollateral.IntelStatementMember(at, version));
            }
            tcb.moduleVersions[tcb.modules] = version;
            tcb.moduleLevels[tcb.modules++] = levels;
        } while (reader.more(Json.CLOSE_LIST));
    }

    /// `tdxModule`, or one of the identities by version, which have an id and levels. The signer must be Intel (zeros) and
    /// every attribute must count and be zero: a verifier of quotes asks for exactly that.
    function _module(Json.Reader memory reader) private pure returns (uint256 version, uint256 levels) {
        uint256 at = reader.at;
        uint256 seen;
        reader.take(Json.OPEN);
        do {
            bytes32 key = reader.key();
            uint256 bit;
            if (key == "mrsigner") {
                bit = 1;
                require(reader.zeros(48), IIntelCollateral.IntelModuleSigner(at));
            } else if (key == "attributes") {
                bit = 2;
                require(reader.zeros(8), IIntelCollateral.IntelModuleSigner(at));
            } else if (key == "attributesMask") {
                bit = 4;
                require(bytes8(reader.hexadecimal(8)) == bytes8(type(uint64).max), IIntelCollateral.IntelModuleSigner(at));
            } else if (key == "id") {
                (bit, version) = (8, _version(reader));
            } else if (key == "tcbLevels") {
                (bit, levels) = (16, _moduleLevels(reader));
            } else {
                reader.skip();
            }
            require(seen & bit == 0, IIntelCollateral.IntelStatementMember(at, seen));
            seen |= bit;
        } while (reader.more(Json.CLOSE));
        require(seen & 7 == 7, IIntelCollateral.IntelStatementMember(at, seen));
    }

    /// "TDX_" and the version in two hexadecimal digits.
    function _version(Json.Reader memory reader) private pure returns (uint256) {
        uint256 at = reader.at;
        bytes32 id = reader.word();
        require(bytes4(id) == "TDX_" && id << 48 == 0, IIntelCollateral.IntelStatementType(at, id));
        return Json.byteOf(id, 4, at);
    }

    function _moduleLevels(Json.Reader memory reader) private pure returns (uint256 levels) {
        uint256 count;
        reader.take(Json.OPEN_LIST);
        do {
            uint256 at = reader.at;
            (uint256 svn, uint256 status) = _isvLevel(reader);
            require(count < MAX_MODULE_LEVELS && svn < 256, IIntelCollateral.IntelStatementSize(at));
            // A status is never zero here, so that an empty place is told from a level.
            levels |= ((svn << 8) | (status + 1)) << (MODULE_BITS * count++);
        } while (reader.more(Json.CLOSE_LIST));
    }

    /// { "tcb": { "isvsvn": n }, "tcbStatus": s, ... }
    function _isvLevel(Json.Reader memory reader) private pure returns (uint256 svn, uint256 status) {
        uint256 at = reader.at;
        uint256 seen;
        reader.take(Json.OPEN);
        do {
            bytes32 key = reader.key();
            uint256 bit;
            if (key == "tcb") {
                bit = 1;
                reader.take(Json.OPEN);
                require(reader.key() == "isvsvn", IIntelCollateral.IntelStatementMember(at, seen));
                svn = _small(reader, 16);
                reader.take(Json.CLOSE);
            } else if (key == "tcbStatus") {
                (bit, status) = (2, _status(reader));
            } else {
                reader.skip();
            }
            require(seen & bit == 0, IIntelCollateral.IntelStatementMember(at, seen));
            seen |= bit;
        } while (reader.more(Json.CLOSE));
        require(seen == 3, IIntelCollateral.IntelStatementMember(at, seen));
    }

    function _status(Json.Reader memory reader) private pure returns (uint256) {
        (uint256 start, uint256 stop) = reader.text();
        bytes32 name = keccak256(msg.data[start:stop]);
        if (name == keccak256("UpToDate")) return 0;
        if (name == keccak256("SWHardeningNeeded")) return 1;
        if (name == keccak256("ConfigurationNeeded")) return 2;
        if (name == keccak256("ConfigurationAndSWHardeningNeeded")) return 3;
        if (name == keccak256("OutOfDate")) return OUT_OF_DATE;
        if (name == keccak256("OutOfDateConfigurationNeeded")) return 5;
        require(name == keccak256("Revoked"), IIntelCollateral.IntelUnknownStatus(start));
        return REVOKED;
    }

    function _tail(uint256[] memory tails, uint256 index, uint256 svn, uint256 status, uint256 at) private pure {
        require(index < MAX_LEVELS, IIntelCollateral.IntelStatementSize(at));
        tails[index / TAILS_PER_WORD] |= ((svn << 8) | status) << (TAIL_BITS * (index % TAILS_PER_WORD));
    }

    function _small(Json.Reader memory reader, uint256 bits) private pure returns (uint256 value) {
        uint256 at = reader.at;
        value = reader.number();
        require(value >> bits == 0, IIntelCollateral.IntelStatementSize(at));
    }

    function _oneOf(Json.Reader memory reader, bytes32 tdx, bytes32 sgx) private pure returns (uint256) {
        uint256 at = reader.at;
        bytes32 id = reader.word();
        require(id == tdx || id == sgx, IIntelCollateral.IntelStatementType(at, id));
        return id == tdx ? TDX : SGX;
    }

    function _requireNumber(Json.Reader memory reader, uint256 expected, bytes32 field) private pure {
        uint256 at = reader.at;
        require(reader.number() == expected, IIntelCollateral.IntelStatementType(at, field));
    }

    function _end(Json.Reader memory reader, bool complete, uint256 seen) private pure {
        require(complete && reader.at == reader.end, IIntelCollateral.IntelStatementMember(reader.at, seen));
    }
}
