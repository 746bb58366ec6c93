// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IIntelCollateral, IntelStatement, Platform} from "../../interfaces/IIntelCollateral.sol";
import {Statement} from "./Statement.sol";

/// @title TCB information and QE identities in storage, and how a platform is judged by them
/// @dev Reading is what costs in `verify`: one word for the head, one a level until the first match, one for that level's
/// status, one for the module, four for the quoting enclave.
library Appraisal {
    struct TcbRecord {
        IntelStatement head;
        uint256[30] components;
        uint256[3] tails;
        /// A module's levels in 192 bits, and the statement's time of issue above them: older ones count as absent.
        mapping(uint256 version => uint256) modules;
    }

    struct QeRecord {
        IntelStatement head;
        bytes32 signer;
        bytes16 attributes;
        bytes16 attributesMask;
        bytes4 miscSelect;
        bytes4 miscSelectMask;
        uint16 product;
        uint256[3] tails;
    }

    /// Every second byte of a word, and the bit above each byte.
    uint256 private constant LANES = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant BORROW = 0x0100010001000100010001000100010001000100010001000100010001000100;
    uint256 private constant MODULE_WIDTH = Statement.MODULE_BITS * Statement.MAX_MODULE_LEVELS;
    /// The first two bytes of TEE_TCB_SVN, in the low half of a word.
    uint256 private constant MODULE_BYTES = 0xffff << 112;

    function key(uint256 teeType, bytes6 fmspc, bytes2 pceId) internal pure returns (bytes32) {
        return bytes32(bytes.concat(fmspc, pceId)) | bytes32(teeType);
    }

    function store(TcbRecord storage record, IntelStatement memory head, Statement.Tcb memory tcb) internal {
        record.head = head;
        for (uint256 i = 0; i < tcb.levels; ++i) {
            record.components[i] = tcb.components[i];
        }
        for (uint256 i = 0; i * Statement.TAILS_PER_WORD < tcb.levels; ++i) {
            record.tails[i] = tcb.tails[i];
        }
        for (uint256 i = 0; i < tcb.modules; ++i) {
            record.modules[tcb.moduleVersions[i]] = (tcb.issued << MODULE_WIDTH) | tcb.moduleLevels[i];
        }
    }

    function store(QeRecord storage record, IntelStatement memory head, Statement.Qe memory qe) internal {
        record.head = head;
        record.signer = qe.signer;
        (record.attributes, record.attributesMask) = (qe.attributes, qe.attributesMask);
        (record.miscSelect, record.miscSelectMask) = (qe.miscSelect, qe.miscSelectMask);
        record.product = uint16(qe.product);
        for (uint256 i = 0; i * Statement.TAILS_PER_WORD < qe.levels; ++i) {
            record.tails[i] = qe.tails[i];
        }
    }

    /// The status of the first level that the platform reaches, dragged down by its TDX module's.
    function platform(mapping(bytes32 => TcbRecord) storage records, Platform calldata claim, uint32 epoch)
        internal
        view
        returns (uint256 status, uint256 until)
    {
        TcbRecord storage record = records[key(claim.teeType, claim.fmspc, claim.pceId)];
        IntelStatement memory head = record.head;
        require(head.issued != 0, IIntelCollateral.IntelNoTcbInfo(claim.teeType, claim.fmspc, claim.pceId));
        until = _live("tcbInfo", head, epoch);

        uint256 version = uint8(claim.teeTcbSvn[1]);
        uint256 reached = uint256(bytes32(claim.cpuSvn)) | uint128(claim.teeTcbSvn);
        // From TDX 1.5 on these two bytes are the module's own, and its identity judges them.
        if (version != 0) reached |= MODULE_BYTES;
        status = _level(record, head.levels, reached, claim.pceSvn);
        if (version != 0) {
            status = Statement.converge(status, _module(record, head.issued, version, uint8(claim.teeTcbSvn[0])));
        }
    }

    function quotingEnclave(QeRecord storage record, Platform calldata claim, uint32 epoch)
        internal
        view
        returns (uint256 status, uint256 until)
    {
        IntelStatement memory head = record.head;
        require(head.issued != 0, IIntelCollateral.IntelNoQeIdentity(claim.teeType));
        until = _live("qeIdentity", head, epoch);
        bool same = claim.qeSigner == record.signer && claim.qeProduct == record.product
            && claim.qeAttributes & record.attributesMask == record.attributes & record.attributesMask
            && claim.qeMiscSelect & record.miscSelectMask == record.miscSelect & record.miscSelectMask;
        require(
            same,
            IIntelCollateral.IntelQeIdentity(claim.qeSigner, claim.qeProduct, claim.qeAttributes, claim.qeMiscSelect)
        );
        for (uint256 i = 0; i < head.levels; ++i) {
            uint256 tails = record.tails[i / Statement.TAILS_PER_WORD];
            uint256 tail = tails >> (Statement.TAIL_BITS * (i % Statement.TAILS_PER_WORD));
            if (claim.qeSvn >= uint16(tail >> 8)) return (uint8(tail), until);
        }
        status = Statement.UNSUPPORTED;
    }

    function _level(TcbRecord storage record, uint256 levels, uint256 reached, uint256 pceSvn) private view returns (uint256) {
        uint256 tails;
        uint256 tailsAt = type(uint256).max;
        for (uint256 i = 0; i < levels; ++i) {
            if (!_covers(reached, record.components[i])) continue;
            if (tailsAt != i / Statement.TAILS_PER_WORD) {
                tailsAt = i / Statement.TAILS_PER_WORD;
                tails = record.tails[tailsAt];
            }
            uint256 tail = tails >> (Statement.TAIL_BITS * (i % Statement.TAILS_PER_WORD));
            if (pceSvn >= uint16(tail >> 8)) return uint8(tail);
        }
        return Statement.UNSUPPORTED;
    }

    function _module(TcbRecord storage record, uint256 issued, uint256 version, uint256 svn) private view returns (uint256) {
        uint256 levels = record.modules[version];
        require(levels >> MODULE_WIDTH == issued, IIntelCollateral.IntelModuleUnknown(uint8(version), uint8(svn)));
        // What is above the levels is the time of issue: a module always has a level, and an empty place ends them.
        levels &= (1 << MODULE_WIDTH) - 1;
        for (; levels != 0; levels >>= Statement.MODULE_BITS) {
            if (svn >= uint8(levels >> 8)) return uint8(levels) - 1;
        }
        return Statement.UNSUPPORTED;
    }

    /// Whether each of the 32 bytes of `reached` is at least that of `wanted`: in lanes of two bytes, none borrows.
    function _covers(uint256 reached, uint256 wanted) private pure returns (bool) {
        unchecked {
            uint256 even = ((reached & LANES) | BORROW) - (wanted & LANES);
            uint256 odd = (((reached >> 8) & LANES) | BORROW) - ((wanted >> 8) & LANES);
            return even & odd & BORROW == BORROW;
        }
    }

    function _live(bytes32 what, IntelStatement memory head, uint32 epoch) private view returns (uint256) {
        require(head.epoch == epoch, IIntelCollateral.IntelStale(what, head.epoch, epoch));
        require(block.timestamp <= head.until, IIntelCollateral.IntelCollateralExpired(what, head.until, block.timestamp));
        return head.until;
    }
}
