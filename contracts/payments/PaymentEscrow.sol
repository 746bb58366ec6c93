// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {
    LINE_REGISTERED, Line, StretchPlaces, StretchStatus
} from "../interfaces/IPaymentEscrow.sol";
import {Verdict} from "../interfaces/ISettlementInbox.sol";
import {ChannelConfig} from "../interfaces/IX402BatchSettlement.sol";
import {CalldataDigest} from "../libraries/CalldataDigest.sol";
import {PositionalTree} from "../libraries/PositionalTree.sol";
import {BatchHeader, ChannelStretch} from "../types/Batch.sol";
import {BatchStatus} from "../types/Enums.sol";
import {Ack, StatementLib} from "../types/Statements.sol";
import {ChannelWord} from "./ChannelWord.sol";
import {EscrowIntake} from "./EscrowIntake.sol";
import {EscrowRegister} from "./EscrowRegister.sol";
import {EscrowSetup, EscrowStore} from "./EscrowStore.sol";
import {LineWord} from "./LineWord.sol";

/// @title Payment escrow
/// @dev See IPaymentEscrow. Here: what moves the watermark. Its ABI is IPaymentEscrow.
contract PaymentEscrow is EscrowIntake {
    using SafeERC20 for IERC20;

    address private immutable _register;

    constructor(EscrowSetup memory setup) EscrowStore(setup) {
        _register = address(new EscrowRegister(setup));
        _setFee(setup.feeBps);
        _setTreasury(setup.treasury);
    }

    /// @dev IEscrowRegister: a contract holds 24,576 bytes, and this one needs more. The other half of the code, made above and for
    /// good, works on this storage.
    fallback() external {
        address register_ = _register;
        assembly ("memory-safe") {
            let p := mload(0x40)
            calldatacopy(p, 0, calldatasize())
            let done := delegatecall(gas(), register_, p, calldatasize(), 0, 0)
            returndatacopy(p, 0, returndatasize())
            if iszero(done) { revert(p, returndatasize()) }
            return(p, returndatasize())
        }
    }

    function ack(bytes32 paymentId, uint128 cumulative, bytes calldata signature) external nonReentrant returns (uint256 released) {
        LineWord line = _registered(paymentId);
        bytes32 digest = StatementLib.digest(Ack(paymentId, cumulative), _domainSeparator);
        require(_isPayers(paymentId, digest, signature), EscrowBadSigner(paymentId, digest));
        if (cumulative <= line.settledUpTo()) return 0;
        ChannelWord channel = _channels[paymentId];
        Tally memory tally = _tally(0, false, 1);
        _run(tally, channel);
        (uint256 to, bool sound) = _reach(tally, paymentId, line, cumulative);
        require(sound || to > line.settledUpTo(), EscrowTokenImpaired(_tokens[tally.tokenId]));
        if (to == line.settledUpTo()) return 0;
        released = _move(tally, paymentId, _lines[paymentId], channel, line, to);
        _close(tally);
    }

    function release(BatchHeader calldata header, ChannelStretch[] calldata stretches, StretchPlaces calldata places)
        external
        returns (StretchStatus[] memory)
    {
        return _decide(header, stretches, places, true);
    }

    function skipGap(
        ChannelConfig calldata config,
        BatchHeader calldata header,
        ChannelStretch[] calldata stretches,
        StretchPlaces calldata places
    ) external nonReentrant returns (StretchStatus) {
        (bytes32 headerHash, uint64 epoch) = _verdict(header, true);
        _requireInRoot(header, stretches, places);
        require(stretches.length != 0, EscrowLengthMismatch(0, 1));
        _giveUp(config, headerHash, header.nodeId, stretches[0]);
        Tally memory tally = _tally(headerHash, false, 1);
        tally.epoch = epoch;
        StretchStatus status = _decideOne(tally, header.nodeId, stretches[0]);
        _close(tally);
        return status;
    }

    function refundRejected(BatchHeader calldata header, ChannelStretch[] calldata stretches, StretchPlaces calldata places)
        external
        returns (StretchStatus[] memory)
    {
        return _decide(header, stretches, places, false);
    }

    function refundExpired(bytes32 paymentId) external nonReentrant returns (uint256 refunded) {
        LineWord line = _registered(paymentId);
        require(line.held() != 0, EscrowNothingHeld(paymentId));
        Tally memory tally = _tally(0, true, 1);
        tally.alive = _inbox.aliveTime();
        (uint256 aliveElapsed, uint256 elapsed) = (tally.alive - line.markedAlive(), block.timestamp - line.markedAt());
        // However often the inbox falls silent, T_stopMax is the most that a mark waits for it.
        bool due = aliveElapsed >= _refundTime || elapsed >= uint256(_refundTime) + _stopMax;
        require(due, EscrowTooEarly(paymentId, aliveElapsed, elapsed));
        ChannelWord channel = _channels[paymentId];
        _run(tally, channel);
        // The next mark has waited already for what the clock stood still under this one: T_stopMax is the most for both.
        uint256 stopped = elapsed - aliveElapsed;
        tally.since = block.timestamp - (stopped < _stopMax ? stopped : _stopMax);
        // Whether money above was seen or not, this is the moment to look.
        refunded = _move(tally, paymentId, _lines[paymentId], channel, line.withMore(), line.mark());
        _close(tally);
    }

    function withdraw(address beneficiary, address token) external nonReentrant returns (uint256 amount) {
        uint256 tokenId = _tokenIds[token];
        amount = _credits[beneficiary][tokenId];
        require(amount != 0, EscrowNothingToWithdraw(beneficiary, token));
        _credits[beneficiary][tokenId] = 0;
        _paidOut[token] += amount;
        address to = _redirects[beneficiary];
        if (to == address(0)) to = beneficiary;
        emit Withdrawn(beneficiary, token, to, amount);

        uint256 before = IERC20(token).balanceOf(address(this));
        bool sent = IERC20(token).trySafeTransfer(to, amount);
        // A token that takes more than it was told to would take it from the others' credits.
        require(sent && IERC20(token).balanceOf(address(this)) + amount >= before, EscrowTransferFailed(token, to, amount));
    }

    function channelContract() external view returns (address) {
        return address(_x402);
    }

    function inbox() external view returns (address) {
        return address(_inbox);
    }

    function refundTime() external view returns (uint32) {
        return _refundTime;
    }

    function domainSeparator() external view returns (bytes32) {
        return _domainSeparator;
    }

    function credit(address beneficiary, address token) external view returns (uint256) {
        return _credits[beneficiary][_tokenIds[token]];
    }

    function lineOf(bytes32 paymentId) external view returns (Line memory) {
        return _lines[paymentId].word.toLine();
    }

    function releaseCap(uint64 epoch, address token) external view returns (uint256 cap, uint256 used) {
        return (_releaseCap(epoch, token), _allowances[epoch][_tokenIds[token]].used);
    }

    function _decide(BatchHeader calldata header, ChannelStretch[] calldata stretches, StretchPlaces calldata places, bool final_)
        private
        nonReentrant
        returns (StretchStatus[] memory statuses)
    {
        (bytes32 headerHash, uint64 epoch) = _verdict(header, final_);
        _requireInRoot(header, stretches, places);
        statuses = new StretchStatus[](stretches.length);
        Tally memory tally = _tally(headerHash, !final_, stretches.length);
        if (final_) tally.epoch = epoch;
        for (uint256 i = 0; i < stretches.length; ++i) {
            statuses[i] = _decideOne(tally, header.nodeId, stretches[i]);
        }
        _close(tally);
    }

    function _decideOne(Tally memory tally, bytes32 nodeId, ChannelStretch calldata stretch)
        private
        returns (StretchStatus status)
    {
        bytes32 paymentId = stretch.paymentId;
        LineSlot storage slot = _lines[paymentId];
        LineWord line = slot.word;
        ChannelWord channel = _channels[paymentId];
        uint256 to;
        (status, to) = _standing(tally, nodeId, stretch, line, channel);
        if (status == StretchStatus.Settled) {
            bool sound = true;
            if (to > line.mark()) (to, sound) = _reach(tally, paymentId, line, to);
            uint256 settled = line.settledUpTo();
            if (to <= settled) {
                status = sound ? StretchStatus.Empty : StretchStatus.TokenImpaired;
            } else if (_underCap(tally, to - settled)) {
                _move(tally, paymentId, slot, channel, line, to);
                return status;
            } else {
                status = StretchStatus.CapReached;
            }
        }
        emit StretchSkipped(paymentId, tally.cause, status);
    }

    function _giveUp(ChannelConfig calldata config, bytes32 headerHash, bytes32 nodeId, ChannelStretch calldata stretch) private {
        bytes32 paymentId = stretch.paymentId;
        LineWord line = _registered(paymentId);
        ChannelWord channel = _channels[paymentId];
        bool node = msg.sender == _terms[channel.termsId()].payout
            || (msg.sender == config.receiverAuthorizer && _x402.getChannelId(config) == paymentId);
        require(node, EscrowNotNode(msg.sender));
        Tally memory tally = _tally(headerHash, true, 1);
        (StretchStatus standing,) = _standing(tally, nodeId, stretch, line, channel);
        require(standing == StretchStatus.Gap, EscrowNotAGap(paymentId, stretch.from, line.settledUpTo()));
        (uint256 to, bool sound) = _reach(tally, paymentId, line, stretch.from);
        require(sound, EscrowTokenImpaired(_tokens[tally.tokenId]));
        if (to > line.settledUpTo()) _move(tally, paymentId, _lines[paymentId], channel, line, to);
        _close(tally);
    }

    /// @dev Certificates may release so much; refunds and Acks have no cap.
    function _underCap(Tally memory tally, uint256 amount) private view returns (bool) {
        uint64 epoch = tally.epoch;
        if (epoch == 0) return true;
        if (tally.cap == 0) {
            Allowance memory allowance = _allowances[epoch][tally.tokenId];
            // Computed once: stake and price of an epoch do not change.
            uint256 cap = allowance.cap == 0 ? _releaseCap(epoch, _tokens[tally.tokenId]) : allowance.cap;
            (tally.cap, tally.used) = (cap, allowance.used);
        }
        unchecked {
            uint256 used = tally.used + amount; // 129 bits
            if (used > tally.cap) return false;
            tally.used = used;
        }
        return true;
    }

    /// @dev Settled when the stretch may be settled as far as it is claimed. Begins the channel's run.
    function _standing(
        Tally memory tally,
        bytes32 nodeId,
        ChannelStretch calldata stretch,
        LineWord line,
        ChannelWord channel
    ) private returns (StretchStatus, uint256 to) {
        uint256 from;
        uint256 elsewhere;
        // Its words are clean: the leaf was made of them.
        assembly ("memory-safe") {
            elsewhere := or(xor(calldataload(stretch), chainid()), xor(calldataload(add(stretch, 0x20)), address()))
            from := calldataload(add(stretch, 0x60))
            to := calldataload(add(stretch, 0x80))
        }
        if (elsewhere != 0) return (StretchStatus.WrongPlace, 0);
        if (!line.has(LINE_REGISTERED)) return (StretchStatus.NotRegistered, 0);
        if (_run(tally, channel)) tally.nodeId = _terms[channel.termsId()].nodeId;
        // Otherwise any node could decide another node's money, for its owner or against it.
        if (tally.nodeId != nodeId) return (StretchStatus.WrongNode, 0);
        uint256 settled = line.settledUpTo();
        if (from > settled) return (StretchStatus.Gap, 0);
        return (to > settled ? StretchStatus.Settled : StretchStatus.Empty, to);
    }

    function _requireInRoot(BatchHeader calldata header, ChannelStretch[] calldata stretches, StretchPlaces calldata places)
        private
        pure
    {
        bytes32[] memory leaves = CalldataDigest.stretchLeaves(stretches);
        bytes32 root;
        if (places.indices.length == 0) {
            require(stretches.length == header.channels, EscrowLengthMismatch(stretches.length, header.channels));
            root = PositionalTree.rootOf(leaves);
        } else {
            require(stretches.length == places.indices.length, EscrowLengthMismatch(stretches.length, places.indices.length));
            root = PositionalTree.rootOf(leaves, places.indices, header.channels, places.path);
        }
        require(root == header.channelsRoot, EscrowNotInRoot(root, header.channelsRoot));
    }

    function _verdict(BatchHeader calldata header, bool final_) private view returns (bytes32 headerHash, uint64 epoch) {
        headerHash = CalldataDigest.header(header, _settlementDomain);
        Verdict memory verdict = _inbox.verdictOf(headerHash);
        require(verdict.status != 0, EscrowNoVerdict(headerHash));
        bool fits = final_ == (verdict.status == uint8(BatchStatus.Final)) && verdict.channelsRoot == header.channelsRoot;
        require(fits, EscrowWrongVerdict(headerHash, verdict.status));
        return (headerHash, verdict.epoch);
    }

    function _isPayers(bytes32 paymentId, bytes32 digest, bytes calldata signature) private view returns (bool) {
        ChannelWord channel = _channels[paymentId];
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (signer != address(0)) {
            if (signer == channel.payer()) return true;
            if (!channel.ownAuthorizer() && signer == _payerAuthorizers[paymentId]) return true;
        }
        return channel.payer().code.length != 0 && SignatureChecker.isValidERC1271SignatureNow(channel.payer(), digest, signature);
    }
}
