// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IEscrowEvents, LINE_REGISTERED, Shares, TermsRecord} from "../interfaces/IPaymentEscrow.sol";
import {ISettlementInbox} from "../interfaces/ISettlementInbox.sol";
import {IX402BatchSettlement} from "../interfaces/IX402BatchSettlement.sol";
import {NonReentrant} from "../libraries/NonReentrant.sol";
import {ProtocolDomain} from "../libraries/ProtocolDomain.sol";
import {ChannelWord} from "./ChannelWord.sol";
import {LineWord} from "./LineWord.sol";

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

/// @title The escrow's state, and what both halves of its code read of it
// solhint-disable-next-line max-states-count
abstract contract EscrowStore is IEscrowEvents, AccessManaged, NonReentrant {
    uint256 internal constant MAX_FEE_BPS = 500;
    uint256 internal constant MAX_ROYALTY_BPS = 3_000;
    uint256 internal constant BPS = 10_000;

    /// A place to point at: reading and writing a line hashes its key once.
    struct LineSlot {
        LineWord word;
    }

    /// Of certificates of one epoch. The cap is computed once: stake and price of an epoch do not change.
    struct Allowance {
        uint128 cap;
        uint128 used;
    }

    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    IX402BatchSettlement internal immutable _x402;
    bytes32 internal immutable _channelDomain;
    ISettlementInbox internal immutable _inbox;
    uint32 internal immutable _refundTime;
    uint40 internal immutable _minWithdrawDelay;
    bytes32 internal immutable _domainSeparator;
    bytes32 internal immutable _settlementDomain;
    uint32 internal immutable _stopMax;

    address internal _treasury;
    uint16 internal _feeBps;
    bool internal _intakePaused;
    uint48 internal _termsCount;
    uint32 internal _tokenCount;

    mapping(bytes32 paymentId => LineSlot) internal _lines;
    mapping(bytes32 paymentId => ChannelWord) internal _channels; // terms and tokens are few, and warm
    mapping(bytes32 paymentId => address) internal _payerAuthorizers;
    mapping(uint256 termsId => TermsRecord) internal _terms; // from 1
    mapping(bytes32 termsHash => uint48) internal _termsIds;
    mapping(uint256 tokenId => address) internal _tokens; // from 1
    mapping(address token => uint32) internal _tokenIds;
    mapping(address receiverAuthorizer => uint48 termsId) internal _defaultTerms;
    mapping(address receiverAuthorizer => mapping(address receiptSigner => bool)) internal _delegates;

    mapping(address beneficiary => mapping(uint256 tokenId => uint256)) internal _credits;
    mapping(uint256 termsId => mapping(uint256 tokenId => Shares)) internal _shares;
    mapping(address beneficiary => address) internal _redirects;
    mapping(address token => uint256) internal _paidOut; // with the channel contract's counts: what has to be here
    mapping(address token => uint256) internal _stakePrices; // units per stake, X64
    mapping(uint64 epoch => mapping(uint256 tokenId => Allowance)) internal _allowances;

    constructor(EscrowSetup memory setup) AccessManaged(setup.authority) {
        bool complete = setup.channelContract != address(0) && setup.inbox != address(0) && setup.treasury != address(0);
        require(complete, EscrowZeroAddress());
        require(setup.refundTime != 0, EscrowBadTimes(setup.refundTime));
        _x402 = IX402BatchSettlement(setup.channelContract);
        _channelDomain = keccak256(
            abi.encode(
                DOMAIN_TYPEHASH, keccak256("x402 Batch Settlement"), keccak256("1"), block.chainid, setup.channelContract
            )
        );
        _inbox = ISettlementInbox(setup.inbox);
        _refundTime = setup.refundTime;
        _minWithdrawDelay = setup.minWithdrawDelay;
        _domainSeparator = ProtocolDomain.separator(block.chainid, address(this));
        _settlementDomain = ISettlementInbox(setup.inbox).settlementDomain();
        _stopMax = ISettlementInbox(setup.inbox).times().stopMax;
    }

    /// @dev A quorum is two thirds of the stake; half of that.
    function _releaseCap(uint64 epoch, address token) internal view returns (uint256) {
        uint256 price = _stakePrices[token];
        if (price == 0) return 0;
        uint256 cap = (_inbox.epochOf(epoch).totalStake * price >> 64) / 3;
        return cap < type(uint128).max ? cap : type(uint128).max;
    }

    function _registered(bytes32 paymentId) internal view returns (LineWord line) {
        line = _lines[paymentId].word;
        require(line.has(LINE_REGISTERED), EscrowNotRegistered(paymentId));
    }

    function _tokenOf(bytes32 paymentId) internal view returns (address) {
        return _tokens[_channels[paymentId].tokenId()];
    }

    /// @dev Lines are 96 bits wide; see TOKEN REQUIREMENTS.
    function _totalClaimed(bytes32 paymentId) internal view returns (uint256) {
        (, uint128 claimed) = _x402.channels(paymentId);
        return claimed < type(uint96).max ? claimed : type(uint96).max;
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

    function _setFee(uint16 bps) internal {
        require(bps <= MAX_FEE_BPS, EscrowFeeTooHigh(bps, MAX_FEE_BPS));
        _feeBps = bps;
        emit FeeSet(bps);
    }

    function _setTreasury(address treasury_) internal {
        require(treasury_ != address(0), EscrowZeroAddress());
        _treasury = treasury_;
        emit TreasurySet(treasury_);
    }
}
