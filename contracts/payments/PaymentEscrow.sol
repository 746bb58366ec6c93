// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {LINE_MORE, LINE_REGISTERED, Line, StretchProof, StretchStatus} from "../interfaces/IPaymentEscrow.sol";
import {Verdict} from "../interfaces/ISettlementInbox.sol";
import {ChannelConfig} from "../interfaces/IX402BatchSettlement.sol";
import {PositionalTree} from "../libraries/PositionalTree.sol";
import {BatchHeader, BatchLib, ChannelStretch} from "../types/Batch.sol";
import {BatchStatus} from "../types/Enums.sol";
import {Ack, StatementLib} from "../types/Statements.sol";
import {EscrowIntake} from "./EscrowIntake.sol";
import {EscrowSetup, EscrowStore} from "./EscrowStore.sol";

/// @title Payment escrow
/// @dev See IPaymentEscrow. Here: what moves the watermark.
contract PaymentEscrow is EscrowIntake {
    using SafeERC20 for IERC20;

    constructor(EscrowSetup memory setup) EscrowStore(setup) {}

    function ack(bytes32 paymentId, uint128 cumulative, bytes calldata signature) external nonReentrant returns (uint256) {
        Line memory line = _registered(paymentId);
        bytes32 digest = StatementLib.digest(Ack(paymentId, cumulative), domainSeparator);
        require(_isPayers(paymentId, digest, signature), EscrowBadSigner(paymentId, digest));
        if (cumulative <= line.settledUpTo) return 0;
        (uint256 to, bool sound) = _reach(paymentId, line, cumulative);
        require(sound || to > line.settledUpTo, EscrowTokenImpaired(_tokenOf(paymentId)));
        return to == line.settledUpTo ? 0 : _payNode(paymentId, line, to, 0);
    }

    function release(BatchHeader calldata header, ChannelStretch[] calldata stretches, StretchProof[] calldata proofs)
        external
        returns (StretchStatus[] memory)
    {
        return _decide(header, stretches, proofs, true);
    }

    function skipGap(
        ChannelConfig calldata config,
        BatchHeader calldata header,
        ChannelStretch[] calldata stretches,
        StretchProof[] calldata proofs
    ) external nonReentrant returns (StretchStatus) {
        (bytes32 headerHash, uint64 epoch) = _verdict(header, true);
        _requireInRoot(header, stretches, proofs);
        _giveUp(config, headerHash, header.nodeId, stretches[0]);
        return _decideOne(headerHash, epoch, header.nodeId, stretches[0], true);
    }

    function refundRejected(BatchHeader calldata header, ChannelStretch[] calldata stretches, StretchProof[] calldata proofs)
        external
        returns (StretchStatus[] memory)
    {
        return _decide(header, stretches, proofs, false);
    }

    function refundExpired(bytes32 paymentId) external nonReentrant returns (uint256) {
        Line memory line = _registered(paymentId);
        require(line.held != 0, EscrowNothingHeld(paymentId));
        (uint256 aliveElapsed, uint256 elapsed) = _ages(line);
        require(_due(aliveElapsed, elapsed), EscrowTooEarly(paymentId, aliveElapsed, elapsed));
        // Whether money above was seen or not, this is the moment to look.
        line.flags |= LINE_MORE;
        return _payPayer(paymentId, line, uint256(line.settledUpTo) + line.held, 0);
    }

    function withdraw(address beneficiary, address token) external nonReentrant returns (uint256 amount) {
        amount = credit[beneficiary][token];
        require(amount != 0, EscrowNothingToWithdraw(beneficiary, token));
        credit[beneficiary][token] = 0;
        _paidOut[token] += amount;
        address to = redirectOf[beneficiary];
        if (to == address(0)) to = beneficiary;
        emit Withdrawn(beneficiary, token, to, amount);

        uint256 before = IERC20(token).balanceOf(address(this));
        bool sent = IERC20(token).trySafeTransfer(to, amount);
        // A token that takes more than it was told to would take it from the others' credits.
        require(sent && IERC20(token).balanceOf(address(this)) + amount >= before, EscrowTransferFailed(token, to, amount));
    }

    function redirect(address to) external {
        redirectOf[msg.sender] = to;
        emit Redirected(msg.sender, to);
    }

    function _decide(BatchHeader calldata header, ChannelStretch[] calldata stretches, StretchProof[] calldata proofs, bool final_)
        private
        nonReentrant
        returns (StretchStatus[] memory statuses)
    {
        (bytes32 headerHash, uint64 epoch) = _verdict(header, final_);
        _requireInRoot(header, stretches, proofs);
        statuses = new StretchStatus[](stretches.length);
        for (uint256 i = 0; i < stretches.length; ++i) {
            statuses[i] = _decideOne(headerHash, epoch, header.nodeId, stretches[i], final_);
        }
    }

    function _decideOne(bytes32 headerHash, uint64 epoch, bytes32 nodeId, ChannelStretch calldata stretch, bool final_)
        private
        returns (StretchStatus status)
    {
        bytes32 paymentId = stretch.paymentId;
        Line memory line = _lines[paymentId];
        status = _standing(nodeId, stretch, line);
        if (status == StretchStatus.Settled) {
            (uint256 to, bool sound) = _reach(paymentId, line, stretch.to);
            if (to <= line.settledUpTo) status = sound ? StretchStatus.Empty : StretchStatus.TokenImpaired;
            else if (!final_) _payPayer(paymentId, line, to, headerHash);
            else if (!_underCap(epoch, _tokenOf(paymentId), to - line.settledUpTo)) status = StretchStatus.CapReached;
            else _payNode(paymentId, line, to, headerHash);
        }
        if (status != StretchStatus.Settled) emit StretchSkipped(paymentId, headerHash, status);
    }

    function _giveUp(ChannelConfig calldata config, bytes32 headerHash, bytes32 nodeId, ChannelStretch calldata stretch) private {
        bytes32 paymentId = stretch.paymentId;
        Line memory line = _registered(paymentId);
        bool node = msg.sender == _terms[_channels[paymentId].termsId].payout
            || (_channelId(config) == paymentId && msg.sender == config.receiverAuthorizer);
        require(node, EscrowNotNode(msg.sender));
        bool gap = _standing(nodeId, stretch, line) == StretchStatus.Gap;
        require(gap, EscrowNotAGap(paymentId, stretch.from, line.settledUpTo));
        (uint256 to, bool sound) = _reach(paymentId, line, stretch.from);
        require(sound, EscrowTokenImpaired(_tokenOf(paymentId)));
        if (to > line.settledUpTo) _payPayer(paymentId, line, to, headerHash);
    }

    function _underCap(uint64 epoch, address token, uint256 amount) private returns (bool) {
        Allowance memory allowance = _allowances[epoch][token];
        if (allowance.cap == 0) allowance.cap = uint128(_releaseCap(epoch, token));
        uint256 used = allowance.used + amount;
        if (used > allowance.cap) return false;
        allowance.used = uint128(used);
        _allowances[epoch][token] = allowance;
        return true;
    }

    /// @dev Settled when the stretch may be settled as far as it is claimed.
    function _standing(bytes32 nodeId, ChannelStretch calldata stretch, Line memory line) private view returns (StretchStatus) {
        if (stretch.paymentChainId != block.chainid || stretch.escrow != address(this)) return StretchStatus.WrongPlace;
        if (line.flags & LINE_REGISTERED == 0) return StretchStatus.NotRegistered;
        // Otherwise any node could decide another node's money, for its owner or against it.
        if (_terms[_channels[stretch.paymentId].termsId].nodeId != nodeId) return StretchStatus.WrongNode;
        if (stretch.from > line.settledUpTo) return StretchStatus.Gap;
        return stretch.to > line.settledUpTo ? StretchStatus.Settled : StretchStatus.Empty;
    }

    function _requireInRoot(BatchHeader calldata header, ChannelStretch[] calldata stretches, StretchProof[] calldata proofs)
        private
        pure
    {
        if (proofs.length == 0) {
            require(stretches.length == header.channels, EscrowLengthMismatch(stretches.length, header.channels));
            bytes32[] memory leaves = new bytes32[](stretches.length);
            for (uint256 i = 0; i < stretches.length; ++i) {
                leaves[i] = BatchLib.stretchLeaf(stretches[i]);
            }
            require(PositionalTree.rootOf(leaves) == header.channelsRoot, EscrowNotInRoot(0));
            return;
        }
        require(stretches.length == proofs.length, EscrowLengthMismatch(stretches.length, proofs.length));
        for (uint256 i = 0; i < stretches.length; ++i) {
            bytes32 leaf = BatchLib.stretchLeaf(stretches[i]);
            bytes32 root = PositionalTree.rootOf(leaf, proofs[i].index, header.channels, proofs[i].path);
            require(root == header.channelsRoot, EscrowNotInRoot(i));
        }
    }

    function _verdict(BatchHeader calldata header, bool final_) private view returns (bytes32 headerHash, uint64 epoch) {
        headerHash = BatchLib.digest(header, _settlementDomain);
        Verdict memory verdict = _inbox.verdictOf(headerHash);
        require(verdict.status != 0, EscrowNoVerdict(headerHash));
        bool fits = final_ == (verdict.status == uint8(BatchStatus.Final)) && verdict.channelsRoot == header.channelsRoot;
        require(fits, EscrowWrongVerdict(headerHash, verdict.status));
        return (headerHash, verdict.epoch);
    }

    function _isPayers(bytes32 paymentId, bytes32 digest, bytes calldata signature) private view returns (bool) {
        Channel memory channel = _channels[paymentId];
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (signer != address(0)) {
            if (signer == channel.payer) return true;
            if (!channel.ownAuthorizer && signer == _payerAuthorizers[paymentId]) return true;
        }
        return channel.payer.code.length != 0 && SignatureChecker.isValidERC1271SignatureNow(channel.payer, digest, signature);
    }

    function _ages(Line memory line) private view returns (uint256 aliveElapsed, uint256 elapsed) {
        return (_inbox.aliveTime() - line.markedAlive, block.timestamp - line.markedAt);
    }

    /// @dev However often the inbox falls silent, T_stopMax is the most that a mark waits for it.
    function _due(uint256 aliveElapsed, uint256 elapsed) private view returns (bool) {
        return aliveElapsed >= refundTime || elapsed >= uint256(refundTime) + _stopMax;
    }
}
