// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {
    ClaimShape, ClaimStatus, IEscrowLedger, LINE_MORE, LINE_PRIVATE, LINE_REGISTERED
} from "../interfaces/IPaymentEscrow.sol";
import {VoucherClaim} from "../interfaces/IX402BatchSettlement.sol";
import {CalldataDigest} from "../libraries/CalldataDigest.sol";
import {ClaimList, ClaimRow} from "../libraries/ClaimList.sol";
import {InferenceReceipt} from "../types/Receipt.sol";
import {ChannelWord} from "./ChannelWord.sol";
import {EscrowPayout} from "./EscrowPayout.sol";
import {LineLib, LineWord} from "./LineWord.sol";
import {RowLog} from "./RowLog.sol";

/// @title How money comes into the escrow
abstract contract EscrowIntake is IEscrowLedger, EscrowPayout {
    using ClaimList for bytes;
    using ClaimList for bytes32[];
    using ClaimList for ClaimRow;
    using RowLog for RowLog.Rows;

    function claim(VoucherClaim[] calldata rows, bytes calldata authorization)
        external
        nonReentrant
        returns (ClaimStatus[] memory)
    {
        return _claim(ClaimList.encode(rows), authorization);
    }

    function claimPacked(ClaimShape calldata shape, bytes calldata rows, bytes calldata authorization)
        external
        nonReentrant
        returns (ClaimStatus[] memory)
    {
        return _claim(ClaimList.unpack(shape, rows), authorization);
    }

    function claimByReceipt(VoucherClaim[] calldata rows, InferenceReceipt[] calldata receipts, bytes[] calldata signatures)
        external
        nonReentrant
        returns (ClaimStatus[] memory statuses)
    {
        bool paired = rows.length == receipts.length && rows.length == signatures.length;
        require(paired, EscrowLengthMismatch(receipts.length, signatures.length));
        if (rows.length == 0) return statuses;
        bytes memory list = ClaimList.encode(rows);
        bytes32[] memory ids = list.ids(_channelDomain);
        statuses = new ClaimStatus[](ids.length);
        bool all = true;
        for (uint256 i = 0; i < ids.length; ++i) {
            if (_carries(list.at(i), ids[i], receipts[i], signatures[i])) continue;
            (statuses[i], all) = (ClaimStatus.NotAuthorized, false);
        }
        _take(list, ids, statuses, all, list.isUniform());
    }

    function sync(bytes32[] calldata paymentIds) external nonReentrant returns (ClaimStatus[] memory statuses) {
        statuses = new ClaimStatus[](paymentIds.length);
        Tally memory tally = _tally(0, false, paymentIds.length);
        for (uint256 i = 0; i < paymentIds.length; ++i) {
            bytes32 paymentId = paymentIds[i];
            if (!_lines[paymentId].word.has(LINE_REGISTERED)) {
                statuses[i] = ClaimStatus.NotRegistered;
                continue;
            }
            bool sound = _isSound(tally, _tokenOf(paymentId));
            if (sound) _account(tally, paymentId, _totalClaimed(paymentId));
            statuses[i] = sound ? ClaimStatus.Claimed : ClaimStatus.TokenImpaired;
        }
        _close(tally);
    }

    function _claim(bytes memory list, bytes calldata authorization) private returns (ClaimStatus[] memory statuses) {
        bytes32[] memory ids = list.ids(_channelDomain);
        address authorizer = msg.sender;
        // A signature that does not hold carries no row. Authorizers that are contracts call by themselves.
        if (authorization.length != 0) {
            (authorizer,,) = ECDSA.tryRecoverCalldata(list.digest(ids, _channelDomain), authorization);
        }
        statuses = new ClaimStatus[](ids.length);
        if (ids.length == 0) return statuses;
        bool nobody = authorizer == address(0);
        bool uniform = list.isUniform();
        bool all = uniform && !nobody && list.at(0).receiverAuthorizer() == authorizer;
        for (uint256 i = all ? ids.length : 0; i < ids.length; ++i) {
            if (nobody || list.at(i).receiverAuthorizer() != authorizer) statuses[i] = ClaimStatus.NotAuthorized;
        }
        _take(list, ids, statuses, all, uniform);
    }

    /// @dev `statuses` come in with the rows that have no authority and leave with every row's outcome.
    /// @param whole Whether all rows have authority.
    /// @param uniform Whether all rows have one token.
    function _take(bytes memory list, bytes32[] memory ids, ClaimStatus[] memory statuses, bool whole, bool uniform) private {
        // What the whole list adds to the receiver's account if every line stands at its mark.
        (uint256 expected, uint256 bits) = (0, 0);
        for (uint256 i = 0; i < ids.length; ++i) {
            LineWord line = _lines[ids.get(i)].word;
            if (!line.has(LINE_REGISTERED)) (statuses[i], whole) = (ClaimStatus.NotRegistered, false);
            uint256 asked = list.at(i).totalClaimed();
            unchecked {
                uint256 more = asked - line.mark();
                expected += more;
                bits |= asked | more;
            }
        }
        address token = list.at(0).token();
        (uint128 before,) = _x402.receivers(address(this), token);
        // The channel contract refuses a whole list for one bad row: then row by row, and its counts decide what happened.
        if (!whole || !_sendClaim(list)) {
            whole = false;
            for (uint256 i = 0; i < ids.length; ++i) {
                if (statuses[i] == ClaimStatus.None) _sendClaim(list.single(i));
            }
        }
        (uint128 afterwards,) = _x402.receivers(address(this), token);

        Tally memory tally = _tally(0, false, ids.length);
        // A taken row's line stands at the row's end or above, and added no more than what lies above its mark. So when the sum is as
        // expected, each line stands exactly at its row's end, and needs no look. `bits`: no row is behind its mark or beyond a line's
        // width, where the sum would say nothing.
        bool exact = whole && uniform && bits <= type(uint96).max && uint256(afterwards) == before + expected;
        if (exact && _isSound(tally, token)) _dateAll(tally, list, ids, statuses);
        else _dateEach(tally, list, ids, statuses);
        _close(tally);
    }

    function _dateAll(Tally memory tally, bytes memory list, bytes32[] memory ids, ClaimStatus[] memory statuses) private {
        uint256 stamp = LineLib.stamp(block.timestamp, tally.alive = _inbox.aliveTime());
        for (uint256 i = 0; i < ids.length; ++i) {
            bytes32 paymentId = ids.get(i);
            uint256 claimed = list.at(i).totalClaimed();
            LineSlot storage slot = _lines[paymentId];
            LineWord line = slot.word;
            if (line.opens(claimed)) {
                slot.word = line.open(claimed, stamp);
                tally.marks.add(paymentId, claimed);
            } else {
                _account(tally, paymentId, claimed);
            }
            statuses[i] = ClaimStatus.Claimed;
        }
    }

    function _dateEach(Tally memory tally, bytes memory list, bytes32[] memory ids, ClaimStatus[] memory statuses) private {
        for (uint256 i = 0; i < ids.length; ++i) {
            if (statuses[i] == ClaimStatus.None) {
                ClaimRow row = list.at(i);
                bool sound = _isSound(tally, row.token());
                uint256 claimed = _totalClaimed(ids[i]);
                if (sound) _account(tally, ids[i], claimed);
                statuses[i] = _outcome(claimed, row.totalClaimed(), sound);
                if (statuses[i] == ClaimStatus.Claimed) continue;
            }
            emit RowSkipped(ids[i], statuses[i]);
        }
    }

    function _sendClaim(bytes memory list) private returns (bool taken) {
        address target = address(_x402);
        assembly ("memory-safe") {
            taken := call(gas(), target, 0, add(list, 0x20), mload(list), 0, 0)
        }
    }

    function _outcome(uint256 claimed, uint256 asked, bool sound) private pure returns (ClaimStatus) {
        if (!sound) return ClaimStatus.TokenImpaired;
        if (claimed < asked) return ClaimStatus.Refused;
        return claimed == asked ? ClaimStatus.Claimed : ClaimStatus.Ahead;
    }

    /// @dev Takes note of a line's claimed end. The token is here.
    function _account(Tally memory tally, bytes32 paymentId, uint256 claimed) private {
        LineSlot storage slot = _lines[paymentId];
        LineWord line = slot.word;
        if (claimed <= line.mark()) return;
        if (line.has(LINE_PRIVATE)) {
            ChannelWord channel = _channels[paymentId];
            _run(tally, channel);
            _move(tally, paymentId, slot, channel, line, claimed);
        } else if (line.held() == 0) {
            slot.word = _marked(tally, paymentId, line.settledUpTo(), claimed, line.flags());
        } else if (!line.has(LINE_MORE)) {
            slot.word = line.withMore();
        }
    }

    function _carries(ClaimRow row, bytes32 paymentId, InferenceReceipt calldata receipt, bytes calldata signature)
        private
        view
        returns (bool)
    {
        bool reaches = uint256(receipt.cumulativeBefore) + receipt.charge == row.totalClaimed();
        if (!reaches || receipt.paymentId != paymentId) return false;
        (address signer,,) = ECDSA.tryRecoverCalldata(CalldataDigest.receipt(receipt, _settlementDomain), signature);
        return signer != address(0) && _delegates[row.receiverAuthorizer()][signer];
    }
}
