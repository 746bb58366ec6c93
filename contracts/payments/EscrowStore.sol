// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {
    ChannelRecord, IPaymentEscrow, LINE_MORE, LINE_PRIVATE, LINE_REGISTERED, Line, Split, TermsRecord
} from "../interfaces/IPaymentEscrow.sol";
import {ISettlementInbox} from "../interfaces/ISettlementInbox.sol";
import {IX402BatchSettlement} from "../interfaces/IX402BatchSettlement.sol";
import {NonReentrant} from "../libraries/NonReentrant.sol";
import {ProtocolDomain} from "../libraries/ProtocolDomain.sol";

/// What an escrow is built on; immutable.
struct EscrowSetup {
    address authority; // AccessManager
    address channelContract; // x402 batch settlement
    address inbox;
    address treasury;
    uint16 feeBps;
    uint32 refundTime; // T_refund, seconds of inbox-alive time
    uint40 minWithdrawDelay; // of channels, seconds
}

/// @title The escrow's state, its views and its admin
// solhint-disable-next-line max-states-count
abstract contract EscrowStore is IPaymentEscrow, AccessManaged, NonReentrant {
    uint256 internal constant MAX_FEE_BPS = 500;
    uint256 internal constant MAX_ROYALTY_BPS = 3_000;
    uint256 internal constant BPS = 10_000;

    /// One slot, so that a stretch costs one read besides its line: terms and tokens are few and warm.
    struct Channel {
        address payer;
        uint48 termsId;
        uint32 tokenId;
        bool ownAuthorizer; // payerAuthorizer is the payer itself
    }

    /// Of certificates of one epoch. The cap is computed once: stake and price of an epoch do not change.
    struct Allowance {
        uint128 cap;
        uint128 used;
    }

    IX402BatchSettlement internal immutable _x402;
    ISettlementInbox internal immutable _inbox;
    uint32 public immutable refundTime;
    uint40 public immutable minWithdrawDelay;
    bytes32 public immutable domainSeparator;
    bytes32 internal immutable _settlementDomain;
    uint32 internal immutable _stopMax;

    address public treasury;
    uint16 public feeBps;
    bool public intakePaused;
    uint48 internal _termsCount;
    uint32 internal _tokenCount;

    mapping(bytes32 paymentId => Line) internal _lines;
    mapping(bytes32 paymentId => Channel) internal _channels;
    mapping(bytes32 paymentId => address) internal _payerAuthorizers;
    mapping(uint256 termsId => TermsRecord) internal _terms; // from 1
    mapping(bytes32 termsHash => uint48) internal _termsIds;
    mapping(uint256 tokenId => address) internal _tokens; // from 1
    mapping(address token => uint32) internal _tokenIds;
    mapping(address receiverAuthorizer => uint48 termsId) internal _defaultTerms;
    mapping(address receiverAuthorizer => mapping(address receiptSigner => bool)) public isDelegate;

    mapping(address beneficiary => mapping(address token => uint256)) public credit;
    mapping(address beneficiary => address) public redirectOf;
    mapping(address token => uint256) internal _paidOut; // with the channel contract's counts: what has to be here
    mapping(address token => uint256) public stakePriceOf; // units per stake, X64
    mapping(uint64 epoch => mapping(address token => Allowance)) internal _allowances;
    uint256 private transient _alive; // inbox.aliveTime() of this block

    constructor(EscrowSetup memory setup) AccessManaged(setup.authority) {
        bool complete = setup.channelContract != address(0) && setup.inbox != address(0) && setup.treasury != address(0);
        require(complete, EscrowZeroAddress());
        require(setup.refundTime != 0, EscrowBadTimes(setup.refundTime));
        _x402 = IX402BatchSettlement(setup.channelContract);
        _inbox = ISettlementInbox(setup.inbox);
        refundTime = setup.refundTime;
        minWithdrawDelay = setup.minWithdrawDelay;
        domainSeparator = ProtocolDomain.separator(block.chainid, address(this));
        _settlementDomain = ISettlementInbox(setup.inbox).settlementDomain();
        _stopMax = ISettlementInbox(setup.inbox).times().stopMax;
        _setFee(setup.feeBps);
        _setTreasury(setup.treasury);
    }

    function setFee(uint16 bps) external restricted {
        _setFee(bps);
    }

    function setTreasury(address treasury_) external restricted {
        _setTreasury(treasury_);
    }

    function setStakePrice(address token, uint256 unitsPerStakeX64) external restricted {
        require(stakePriceOf[token] == 0, EscrowStakePriceSet(token));
        stakePriceOf[token] = unitsPerStakeX64;
        emit StakePriceSet(token, unitsPerStakeX64);
    }

    function pauseIntake(bool paused) external restricted {
        intakePaused = paused;
        emit IntakePaused(paused);
    }

    function channelContract() external view returns (address) {
        return address(_x402);
    }

    function inbox() external view returns (address) {
        return address(_inbox);
    }

    function lineOf(bytes32 paymentId) external view returns (Line memory) {
        return _lines[paymentId];
    }

    function channelOf(bytes32 paymentId) external view returns (ChannelRecord memory) {
        Channel storage channel = _channels[paymentId];
        return ChannelRecord({
            payer: channel.payer,
            payerAuthorizer: channel.ownAuthorizer ? channel.payer : _payerAuthorizers[paymentId],
            token: _tokens[channel.tokenId],
            termsHash: _terms[channel.termsId].termsHash,
            isPrivate: _lines[paymentId].flags & LINE_PRIVATE != 0
        });
    }

    function termsOf(bytes32 termsHash) external view returns (TermsRecord memory) {
        return _terms[_termsIds[termsHash]];
    }

    function defaultTermsOf(address receiverAuthorizer) external view returns (bytes32) {
        return _terms[_defaultTerms[receiverAuthorizer]].termsHash;
    }

    function releaseCap(uint64 epoch, address token) external view returns (uint256 cap, uint256 used) {
        return (_releaseCap(epoch, token), _allowances[epoch][token].used);
    }

    /// @dev A quorum is two thirds of the stake; half of that.
    function _releaseCap(uint64 epoch, address token) internal view returns (uint256) {
        uint256 price = stakePriceOf[token];
        if (price == 0) return 0;
        uint256 cap = (_inbox.epochOf(epoch).totalStake * price >> 64) / 3;
        return cap < type(uint128).max ? cap : type(uint128).max;
    }

    /// @dev The clock stands still within a transaction; many marks ask for it.
    function _aliveNow() internal returns (uint256 alive) {
        alive = _alive;
        if (alive == 0) _alive = alive = _inbox.aliveTime();
    }

    function _registered(bytes32 paymentId) internal view returns (Line memory line) {
        line = _lines[paymentId];
        require(line.flags & LINE_REGISTERED != 0, EscrowNotRegistered(paymentId));
    }

    function _tokenOf(bytes32 paymentId) internal view returns (address) {
        return _tokens[_channels[paymentId].tokenId];
    }

    /// @dev Lines are 96 bits wide; see TOKEN REQUIREMENTS.
    function _totalClaimed(bytes32 paymentId) internal view returns (uint256) {
        (, uint128 claimed) = _x402.channels(paymentId);
        return claimed < type(uint96).max ? claimed : type(uint96).max;
    }

    function _splitOf(TermsRecord storage terms, uint256 gross) internal view returns (Split memory) {
        uint256 fee = gross * terms.feeBps / BPS;
        uint256 royalty = gross * terms.royaltyBps / BPS;
        return Split({gross: gross, net: gross - fee - royalty, fee: fee, royalty: royalty});
    }

    /// @dev Whether the token is here as the channel contract counts it, after a sweep if one is due.
    function _sweep(address token) internal returns (bool) {
        (uint128 claimed, uint128 settled) = _x402.receivers(address(this), token);
        if (claimed != settled) {
            try _x402.settle(address(this), token) {}
            catch {
                emit TokenImpaired(token, claimed, settled);
                return false;
            }
        }
        uint256 expected = claimed - _paidOut[token];
        uint256 balance = IERC20(token).balanceOf(address(this));
        if (balance >= expected) return true;
        emit TokenImpaired(token, expected, balance);
        return false;
    }

    /// @dev Opens a mark at `claimed`, remembers money above it, or closes it. `line.settledUpTo` is final already.
    function _mark(bytes32 paymentId, Line memory line, uint256 claimed) internal {
        uint256 open = claimed - line.settledUpTo;
        line.flags &= ~LINE_MORE;
        if (open == 0) {
            (line.held, line.markedAt, line.markedAlive) = (0, 0, 0);
            return;
        }
        if (open > type(uint88).max) {
            open = type(uint88).max;
            line.flags |= LINE_MORE;
        }
        line.held = uint88(open);
        line.markedAt = uint32(block.timestamp);
        line.markedAlive = uint32(_aliveNow());
        emit MarkOpened(paymentId, line.settledUpTo + open);
    }

    function _setFee(uint16 bps) private {
        require(bps <= MAX_FEE_BPS, EscrowFeeTooHigh(bps, MAX_FEE_BPS));
        feeBps = bps;
        emit FeeSet(bps);
    }

    function _setTreasury(address treasury_) private {
        require(treasury_ != address(0), EscrowZeroAddress());
        treasury = treasury_;
        emit TreasurySet(treasury_);
    }
}
