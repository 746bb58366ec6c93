// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    ChannelRecord, IEscrowRegister, LINE_PRIVATE, LINE_REGISTERED, Shares, TermsRecord
} from "../interfaces/IPaymentEscrow.sol";
import {ChannelConfig} from "../interfaces/IX402BatchSettlement.sol";
import {CalldataDigest} from "../libraries/CalldataDigest.sol";
import {SettlementMode, Verification} from "../types/Enums.sol";
import {Terms, TermsLib} from "../types/Terms.sol";
import {ChannelLib, ChannelWord} from "./ChannelWord.sol";
import {EscrowSetup, EscrowStore} from "./EscrowStore.sol";
import {LineLib} from "./LineWord.sol";

/// @title Who stands behind a channel, and what the admin may set
/// @dev See IPaymentEscrow. Code of the escrow that runs on the escrow's storage (PaymentEscrow.fallback); alone it is nothing. Nothing
/// here moves money of a line.
contract EscrowRegister is IEscrowRegister, EscrowStore {
    constructor(EscrowSetup memory setup) EscrowStore(setup) {}

    function register(ChannelConfig calldata config, Terms calldata terms, bytes32 clientNonce)
        external
        returns (bytes32 paymentId)
    {
        bytes32 termsHash = CalldataDigest.terms(terms);
        paymentId = _x402.getChannelId(config);
        bytes32 salt = TermsLib.salt(termsHash, clientNonce);
        require(config.salt == salt, EscrowWrongSalt(paymentId, config.salt, salt));
        uint8 mode = terms.settlementMode == uint8(SettlementMode.Private) ? LINE_PRIVATE : 0;
        _register(paymentId, config, _registerTerms(terms, termsHash), mode);
    }

    function registerDefault(ChannelConfig calldata config) external returns (bytes32 paymentId) {
        paymentId = _x402.getChannelId(config);
        require(config.salt == 0, EscrowWrongSalt(paymentId, config.salt, 0));
        uint48 termsId = _defaultTerms[config.receiverAuthorizer];
        require(termsId != 0, EscrowNoDefaultTerms(config.receiverAuthorizer));
        // Nobody signed anything but the channel: held, whatever the terms' mode says.
        _register(paymentId, config, termsId, 0);
    }

    function setDefaultTerms(Terms calldata terms) external {
        bytes32 termsHash = CalldataDigest.terms(terms);
        _defaultTerms[msg.sender] = _registerTerms(terms, termsHash);
        emit DefaultTermsSet(msg.sender, termsHash);
    }

    function delegate(address receiptSigner, bool allowed) external {
        _delegates[msg.sender][receiptSigner] = allowed;
        emit Delegated(msg.sender, receiptSigner, allowed);
    }

    function collect(bytes32[] calldata termsHashes, address token) external {
        uint256 tokenId = _tokenIds[token];
        for (uint256 i = 0; i < termsHashes.length; ++i) {
            uint256 termsId = _termsIds[termsHashes[i]];
            Shares memory shares = _shares[termsId][tokenId];
            if (shares.fee == 0 && shares.royalty == 0) continue;
            delete _shares[termsId][tokenId];
            TermsRecord storage terms = _terms[termsId];
            emit Collected(termsHashes[i], token, shares.fee, shares.royalty);
            if (shares.fee != 0) _credits[terms.treasury][tokenId] += shares.fee;
            if (shares.royalty != 0) _credits[terms.royaltyTo][tokenId] += shares.royalty;
        }
    }

    function redirect(address to) external {
        _redirects[msg.sender] = to;
        emit Redirected(msg.sender, to);
    }

    function setFee(uint16 bps) external restricted {
        _setFee(bps);
    }

    function setTreasury(address treasury_) external restricted {
        _setTreasury(treasury_);
    }

    function setStakePrice(address token, uint256 unitsPerStakeX64) external restricted {
        require(_stakePrices[token] == 0, EscrowStakePriceSet(token));
        _stakePrices[token] = unitsPerStakeX64;
        emit StakePriceSet(token, unitsPerStakeX64);
    }

    function pauseIntake(bool paused) external restricted {
        _intakePaused = paused;
        emit IntakePaused(paused);
    }

    function channelOf(bytes32 paymentId) external view returns (ChannelRecord memory) {
        ChannelWord channel = _channels[paymentId];
        return ChannelRecord({
            payer: channel.payer(),
            payerAuthorizer: channel.ownAuthorizer() ? channel.payer() : _payerAuthorizers[paymentId],
            token: _tokens[channel.tokenId()],
            termsHash: _terms[channel.termsId()].termsHash,
            isPrivate: _lines[paymentId].word.has(LINE_PRIVATE)
        });
    }

    function termsOf(bytes32 termsHash) external view returns (TermsRecord memory) {
        return _terms[_termsIds[termsHash]];
    }

    function sharesOf(bytes32 termsHash, address token) external view returns (Shares memory) {
        return _shares[_termsIds[termsHash]][_tokenIds[token]];
    }

    function defaultTermsOf(address receiverAuthorizer) external view returns (bytes32) {
        return _terms[_defaultTerms[receiverAuthorizer]].termsHash;
    }

    function redirectOf(address beneficiary) external view returns (address) {
        return _redirects[beneficiary];
    }

    function stakePriceOf(address token) external view returns (uint256) {
        return _stakePrices[token];
    }

    function feeBps() external view returns (uint16) {
        return _feeBps;
    }

    function treasury() external view returns (address) {
        return _treasury;
    }

    function intakePaused() external view returns (bool) {
        return _intakePaused;
    }

    function minWithdrawDelay() external view returns (uint40) {
        return _minWithdrawDelay;
    }

    function isDelegate(address receiverAuthorizer, address receiptSigner) external view returns (bool) {
        return _delegates[receiverAuthorizer][receiptSigner];
    }

    function _register(bytes32 paymentId, ChannelConfig calldata config, uint48 termsId, uint8 flags) private {
        require(!_intakePaused, EscrowPaused());
        require(config.receiver == address(this), EscrowWrongReceiver(config.receiver));
        require(
            config.withdrawDelay >= _minWithdrawDelay, EscrowWithdrawDelayTooShort(config.withdrawDelay, _minWithdrawDelay)
        );
        if (_lines[paymentId].word.has(LINE_REGISTERED)) return;
        uint32 tokenId = _tokenIds[config.token];
        if (tokenId == 0) {
            tokenId = ++_tokenCount;
            _tokens[tokenId] = config.token;
            _tokenIds[config.token] = tokenId;
        }
        bool ownAuthorizer = config.payerAuthorizer == config.payer || config.payerAuthorizer == address(0);
        _channels[paymentId] = ChannelLib.pack(config.payer, termsId, tokenId, ownAuthorizer);
        if (!ownAuthorizer) _payerAuthorizers[paymentId] = config.payerAuthorizer;
        _lines[paymentId].word = LineLib.pack(0, 0, 0, LINE_REGISTERED | flags);
        emit ChannelRegistered(paymentId, _terms[termsId].termsHash, config.payer, config.token);
    }

    function _registerTerms(Terms calldata terms, bytes32 termsHash) private returns (uint48 termsId) {
        termsId = _termsIds[termsHash];
        if (termsId != 0) return termsId;
        bool known = terms.settlementMode != 0 && terms.settlementMode <= uint8(type(SettlementMode).max)
            && terms.verification != 0 && terms.verification <= uint8(type(Verification).max);
        bool bounded = terms.royaltyBps <= MAX_ROYALTY_BPS && terms.feeBpsCap <= MAX_FEE_BPS;
        bool payable_ = terms.payout != address(0) && (terms.royaltyTo != address(0) || terms.royaltyBps == 0);
        require(known && bounded && payable_ && terms.inbox == address(_inbox), EscrowBadTerms(termsHash));
        termsId = ++_termsCount;
        // Fee and treasury are fixed here, so that no later admin call can reach money under these terms.
        uint16 fee = _feeBps < terms.feeBpsCap ? _feeBps : terms.feeBpsCap;
        _terms[termsId] =
            TermsRecord(termsHash, terms.nodeId, terms.payout, terms.royaltyBps, fee, terms.royaltyTo, _treasury);
        _termsIds[termsHash] = termsId;
        emit TermsRegistered(
            termsHash, terms.nodeId, terms.payout, terms.royaltyBps, fee, terms.royaltyTo, _treasury
        );
    }
}
