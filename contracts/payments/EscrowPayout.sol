// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {LINE_MORE, Shares, TermsRecord} from "../interfaces/IPaymentEscrow.sol";
import {ChannelWord} from "./ChannelWord.sol";
import {EscrowStore} from "./EscrowStore.sol";
import {LineLib, LineWord} from "./LineWord.sol";
import {RowLog} from "./RowLog.sol";

/// @title How a stretch of a line becomes somebody's credit
/// @dev The only places that raise a watermark, `credit` and `shares`.
abstract contract EscrowPayout is EscrowStore {
    using RowLog for RowLog.Rows;

    /// What one call moves. Rows of the same terms and token follow each other mostly: what such a run owes to each beneficiary,
    /// and its event, are written once, when the run ends.
    struct Tally {
        bytes32 cause; // header's hash, or 0
        bool toPayer; // else to the nodes
        // the run
        uint256 run; // ChannelWord.run
        uint256 termsId;
        uint256 tokenId;
        address payout;
        bytes32 nodeId; // only where headers decide
        uint256 feeBps;
        uint256 royaltyBps;
        uint256 net;
        uint256 fee;
        uint256 royalty;
        RowLog.Rows moves;
        // the token that was swept last
        address swept;
        bool sound;
        // release allowance of the token, where certificates release
        uint64 epoch;
        uint256 cap;
        uint256 used;
        // of all rows
        uint256 alive; // inbox.aliveTime(), once it was asked
        uint256 since; // when marks that open are dated, if not now
        RowLog.Rows marks;
    }

    function _tally(bytes32 cause, bool toPayer, uint256 rows) internal pure returns (Tally memory tally) {
        tally.cause = cause;
        tally.toPayer = toPayer;
        tally.moves.reserve(rows, 3);
        tally.marks.reserve(rows, 2);
    }

    /// @dev Has to end every call that began a tally.
    function _close(Tally memory tally) internal {
        if (tally.moves.count != 0) _endRun(tally);
        if (tally.marks.count != 0) tally.marks.emitRows(MarksOpened.selector);
    }

    /// @dev The row that follows is of this channel.
    /// @return begun Whether a new run begins: other terms or token than the row before.
    function _run(Tally memory tally, ChannelWord channel) internal returns (bool begun) {
        if (tally.run == channel.run()) return false;
        if (tally.moves.count != 0) _endRun(tally);
        tally.run = channel.run();
        if (tally.tokenId != channel.tokenId()) (tally.tokenId, tally.cap) = (channel.tokenId(), 0);
        tally.termsId = channel.termsId();
        if (tally.toPayer) return true;
        TermsRecord storage terms = _terms[tally.termsId];
        (tally.payout, tally.royaltyBps, tally.feeBps) = (terms.payout, terms.royaltyBps, terms.feeBps);
        return true;
    }

    /// @dev [settledUpTo, to) is decided and stored. The channel's run has begun.
    function _move(
        Tally memory tally,
        bytes32 paymentId,
        LineSlot storage slot,
        ChannelWord channel,
        LineWord line,
        uint256 to
    ) internal returns (uint256 gross) {
        uint256 from = line.settledUpTo();
        gross = to - from;
        tally.moves.add(paymentId, from, to);
        if (tally.toPayer) {
            _credits[channel.payer()][tally.tokenId] += gross;
        } else {
            unchecked {
                // 96 bits times at most 10,000; the shares are below a half.
                uint256 fee = gross * tally.feeBps / BPS;
                uint256 royalty = gross * tally.royaltyBps / BPS;
                tally.fee += fee;
                tally.royalty += royalty;
                tally.net += gross - fee - royalty;
            }
        }

        uint256 mark = line.mark();
        if (to < mark) {
            slot.word = line.settle(to);
        } else {
            // A closed mark is followed by the next one at once when there is money above.
            uint256 claimed = to > mark || line.has(LINE_MORE) ? _totalClaimed(paymentId) : to;
            if (claimed != to && !_isSound(tally, _tokens[tally.tokenId])) claimed = to;
            slot.word = _marked(tally, paymentId, to, claimed, line.flags());
        }
    }

    /// @dev Most of `target` that can be settled now. Above the mark only after a look at what is claimed and here.
    /// @return to At least the mark, or the target below it.
    /// @return sound False when what lies above the mark is out of reach.
    function _reach(Tally memory tally, bytes32 paymentId, LineWord line, uint256 target)
        internal
        returns (uint256 to, bool sound)
    {
        uint256 mark = line.mark();
        if (target <= mark) return (target, true);
        uint256 claimed = _totalClaimed(paymentId);
        if (claimed == mark) return (mark, true);
        if (!_isSound(tally, _tokens[tally.tokenId])) return (mark, false);
        return (target < claimed ? target : claimed, true);
    }

    /// @dev Sweeps once a token and call: the channel contract's counts do not change in the middle of one.
    function _isSound(Tally memory tally, address token) internal returns (bool) {
        if (tally.swept != token) (tally.swept, tally.sound) = (token, _sweep(token));
        return tally.sound;
    }

    /// @dev A line with its mark opened at `claimed`, with money above it remembered, or without a mark.
    function _marked(Tally memory tally, bytes32 paymentId, uint256 settled, uint256 claimed, uint256 flags)
        internal
        view
        returns (LineWord)
    {
        uint256 open = claimed - settled;
        flags &= ~uint256(LINE_MORE);
        if (open == 0) return LineLib.pack(settled, 0, 0, flags);
        if (open > type(uint88).max) {
            open = type(uint88).max;
            flags |= LINE_MORE;
        }
        tally.marks.add(paymentId, settled + open);
        if (tally.alive == 0) tally.alive = _inbox.aliveTime();
        uint256 at = tally.since == 0 ? block.timestamp : tally.since;
        return LineLib.pack(settled, open, LineLib.stamp(at, tally.alive), flags);
    }

    function _endRun(Tally memory tally) private {
        if (tally.toPayer) {
            tally.moves.emitRows(Refunded.selector, tally.cause);
            return;
        }
        tally.moves.emitRows(Released.selector, tally.cause, tally.fee, tally.royalty);
        uint256 tokenId = tally.tokenId;
        _credits[tally.payout][tokenId] += tally.net;
        if (tally.fee + tally.royalty != 0) {
            Shares storage stored = _shares[tally.termsId][tokenId];
            (uint256 fee, uint256 royalty) = (stored.fee + tally.fee, stored.royalty + tally.royalty);
            (stored.fee, stored.royalty) = (uint128(fee), uint128(royalty));
        }
        if (tally.epoch != 0) _allowances[tally.epoch][tokenId] = Allowance(uint128(tally.cap), uint128(tally.used));
        (tally.net, tally.fee, tally.royalty) = (0, 0, 0);
    }
}
