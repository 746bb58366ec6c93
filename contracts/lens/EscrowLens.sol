// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelMoney, IEscrowLens} from "../interfaces/IEscrowLens.sol";
import {IPaymentEscrow, LINE_REGISTERED, Line, Split, StretchStatus, TermsRecord} from "../interfaces/IPaymentEscrow.sol";
import {ISettlementInbox} from "../interfaces/ISettlementInbox.sol";
import {IX402BatchSettlement} from "../interfaces/IX402BatchSettlement.sol";
import {BatchHeader, BatchLib, ChannelStretch} from "../types/Batch.sol";

/// @title Escrow lens
/// @dev Stateless; a lens keeps the escrow small. It repeats the escrow's rules, and a test holds both together.
contract EscrowLens is IEscrowLens {
    uint256 private constant BPS = 10_000;

    function previewRelease(address escrow, BatchHeader calldata header, ChannelStretch[] calldata stretches)
        external
        view
        returns (StretchStatus[] memory statuses, Split[] memory splits)
    {
        IPaymentEscrow target = IPaymentEscrow(escrow);
        ISettlementInbox inbox = ISettlementInbox(target.inbox());
        uint64 epoch = inbox.verdictOf(BatchLib.digest(header, inbox.settlementDomain())).epoch;
        statuses = new StretchStatus[](stretches.length);
        splits = new Split[](stretches.length);
        for (uint256 i = 0; i < stretches.length; ++i) {
            (statuses[i], splits[i]) = _preview(target, header.nodeId, stretches, statuses, splits, i);
            if (statuses[i] != StretchStatus.Settled) continue;
            (uint256 cap, uint256 used) = _cap(target, epoch, stretches, splits, i);
            if (used + splits[i].gross > cap) (statuses[i], splits[i]) = (StretchStatus.CapReached, Split(0, 0, 0, 0));
        }
    }

    function previewAck(address escrow, bytes32 paymentId, uint128 cumulative) external view returns (Split memory) {
        IPaymentEscrow target = IPaymentEscrow(escrow);
        uint256 settledUpTo = target.lineOf(paymentId).settledUpTo;
        uint256 claimed = _totalClaimed(target, paymentId);
        uint256 to = cumulative < claimed ? cumulative : claimed;
        return _split(target.termsOf(target.channelOf(paymentId).termsHash), to > settledUpTo ? to - settledUpTo : 0);
    }

    function previewRefund(address escrow, bytes32 paymentId) external view returns (uint256 amount, uint256 wait) {
        Line memory line = IPaymentEscrow(escrow).lineOf(paymentId);
        if (line.held == 0) return (0, 0);
        wait = _wait(IPaymentEscrow(escrow), line);
        return (wait == 0 ? line.held : 0, wait);
    }

    function moneyOf(address escrow, bytes32 paymentId) external view returns (ChannelMoney memory money) {
        IPaymentEscrow target = IPaymentEscrow(escrow);
        Line memory line = target.lineOf(paymentId);
        money.totalClaimed = _totalClaimed(target, paymentId);
        money.settledUpTo = line.settledUpTo;
        money.held = money.totalClaimed - money.settledUpTo;
        if (line.held == 0) return money;
        money.mark = uint256(line.settledUpTo) + line.held;
        money.wait = _wait(target, line);
    }

    function _preview(
        IPaymentEscrow target,
        bytes32 nodeId,
        ChannelStretch[] calldata stretches,
        StretchStatus[] memory statuses,
        Split[] memory splits,
        uint256 index
    ) private view returns (StretchStatus status, Split memory split) {
        ChannelStretch calldata stretch = stretches[index];
        if (stretch.paymentChainId != block.chainid || stretch.escrow != address(target)) return (StretchStatus.WrongPlace, split);
        Line memory line = target.lineOf(stretch.paymentId);
        if (line.flags & LINE_REGISTERED == 0) return (StretchStatus.NotRegistered, split);
        TermsRecord memory terms = target.termsOf(target.channelOf(stretch.paymentId).termsHash);
        if (terms.nodeId != nodeId) return (StretchStatus.WrongNode, split);
        uint256 settledUpTo = line.settledUpTo;
        // Earlier stretches of the same list move the watermark for later ones.
        for (uint256 k = 0; k < index; ++k) {
            if (stretches[k].paymentId == stretch.paymentId && statuses[k] == StretchStatus.Settled) settledUpTo += splits[k].gross;
        }
        if (stretch.from > settledUpTo) return (StretchStatus.Gap, split);
        uint256 claimed = _totalClaimed(target, stretch.paymentId);
        uint256 to = stretch.to < claimed ? stretch.to : claimed;
        if (to <= settledUpTo) return (StretchStatus.Empty, split);
        return (StretchStatus.Settled, _split(terms, to - settledUpTo));
    }

    /// @dev The epoch's cap for the token of stretch `index`, and what it and earlier stretches of the list use of it.
    function _cap(IPaymentEscrow target, uint64 epoch, ChannelStretch[] calldata stretches, Split[] memory splits, uint256 index)
        private
        view
        returns (uint256 cap, uint256 used)
    {
        address token = target.channelOf(stretches[index].paymentId).token;
        (cap, used) = target.releaseCap(epoch, token);
        for (uint256 k = 0; k < index; ++k) {
            if (splits[k].gross != 0 && target.channelOf(stretches[k].paymentId).token == token) used += splits[k].gross;
        }
    }

    function _wait(IPaymentEscrow target, Line memory line) private view returns (uint256) {
        ISettlementInbox inbox = ISettlementInbox(target.inbox());
        uint256 refundTime = target.refundTime();
        uint256 aliveElapsed = inbox.aliveTime() - line.markedAlive;
        bool longest = block.timestamp - line.markedAt >= refundTime + inbox.times().stopMax;
        return longest || aliveElapsed >= refundTime ? 0 : refundTime - aliveElapsed;
    }

    function _totalClaimed(IPaymentEscrow target, bytes32 paymentId) private view returns (uint256) {
        (, uint128 claimed) = IX402BatchSettlement(target.channelContract()).channels(paymentId);
        return claimed < type(uint96).max ? claimed : type(uint96).max;
    }

    function _split(TermsRecord memory terms, uint256 gross) private pure returns (Split memory) {
        uint256 fee = gross * terms.feeBps / BPS;
        uint256 royalty = gross * terms.royaltyBps / BPS;
        return Split({gross: gross, net: gross - fee - royalty, fee: fee, royalty: royalty});
    }
}
