// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ClaimStatus, LINE_MORE, LINE_PRIVATE, LINE_REGISTERED, Line, TermsRecord} from "../interfaces/IPaymentEscrow.sol";
import {ChannelConfig, IX402BatchSettlement, VoucherClaim} from "../interfaces/IX402BatchSettlement.sol";
import {SettlementMode, Verification} from "../types/Enums.sol";
import {InferenceReceipt, ReceiptLib} from "../types/Receipt.sol";
import {Terms, TermsLib} from "../types/Terms.sol";
import {EscrowPayout} from "./EscrowPayout.sol";

/// @title How channels and their money come into the escrow
abstract contract EscrowIntake is EscrowPayout {
    function register(ChannelConfig calldata config, Terms memory terms, bytes32 clientNonce)
        external
        returns (bytes32 paymentId)
    {
        bytes32 termsHash = TermsLib.hash(terms);
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

    function setDefaultTerms(Terms memory terms) external {
        bytes32 termsHash = TermsLib.hash(terms);
        _defaultTerms[msg.sender] = _registerTerms(terms, termsHash);
        emit DefaultTermsSet(msg.sender, termsHash);
    }

    function delegate(address receiptSigner, bool allowed) external {
        isDelegate[msg.sender][receiptSigner] = allowed;
        emit Delegated(msg.sender, receiptSigner, allowed);
    }

    function claim(VoucherClaim[] calldata rows, bytes calldata authorization)
        external
        nonReentrant
        returns (ClaimStatus[] memory statuses)
    {
        address authorizer = msg.sender;
        if (authorization.length != 0 && rows.length != 0) {
            authorizer = rows[0].voucher.channel.receiverAuthorizer;
            // A signature that does not hold carries no row. Authorizers that are contracts call by themselves.
            (address signer,,) = ECDSA.tryRecoverCalldata(_x402.getClaimBatchDigest(rows), authorization);
            if (signer != authorizer) authorizer = address(0);
        }
        statuses = new ClaimStatus[](rows.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            if (rows[i].voucher.channel.receiverAuthorizer != authorizer) statuses[i] = ClaimStatus.NotAuthorized;
        }
        _claim(rows, statuses);
    }

    function claimByReceipt(VoucherClaim[] calldata rows, InferenceReceipt[] calldata receipts, bytes[] calldata signatures)
        external
        nonReentrant
        returns (ClaimStatus[] memory statuses)
    {
        bool paired = rows.length == receipts.length && rows.length == signatures.length;
        require(paired, EscrowLengthMismatch(receipts.length, signatures.length));
        statuses = new ClaimStatus[](rows.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            if (!_carries(rows[i], receipts[i], signatures[i])) statuses[i] = ClaimStatus.NotAuthorized;
        }
        _claim(rows, statuses);
    }

    function sync(bytes32[] calldata paymentIds) external nonReentrant returns (ClaimStatus[] memory statuses) {
        statuses = new ClaimStatus[](paymentIds.length);
        address swept = address(0);
        bool sound = false;
        for (uint256 i = 0; i < paymentIds.length; ++i) {
            bytes32 paymentId = paymentIds[i];
            if (_lines[paymentId].flags & LINE_REGISTERED == 0) {
                statuses[i] = ClaimStatus.NotRegistered;
                continue;
            }
            address token = _tokenOf(paymentId);
            if (token != swept) (swept, sound) = (token, _sweep(token));
            if (sound) _account(paymentId, _totalClaimed(paymentId));
            statuses[i] = sound ? ClaimStatus.Claimed : ClaimStatus.TokenImpaired;
        }
    }

    function _register(bytes32 paymentId, ChannelConfig calldata config, uint48 termsId, uint8 flags) private {
        require(!intakePaused, EscrowPaused());
        require(config.receiver == address(this), EscrowWrongReceiver(config.receiver));
        require(
            config.withdrawDelay >= minWithdrawDelay, EscrowWithdrawDelayTooShort(config.withdrawDelay, minWithdrawDelay)
        );
        if (_lines[paymentId].flags != 0) return;
        uint32 tokenId = _tokenIds[config.token];
        if (tokenId == 0) {
            tokenId = ++_tokenCount;
            _tokens[tokenId] = config.token;
            _tokenIds[config.token] = tokenId;
        }
        bool ownAuthorizer = config.payerAuthorizer == config.payer || config.payerAuthorizer == address(0);
        _channels[paymentId] = Channel(config.payer, termsId, tokenId, ownAuthorizer);
        if (!ownAuthorizer) _payerAuthorizers[paymentId] = config.payerAuthorizer;
        _lines[paymentId].flags = LINE_REGISTERED | flags;
        emit ChannelRegistered(paymentId, _terms[termsId].termsHash, config.payer, config.token);
    }

    function _registerTerms(Terms memory terms, bytes32 termsHash) private returns (uint48 termsId) {
        termsId = _termsIds[termsHash];
        if (termsId != 0) return termsId;
        bool known = terms.settlementMode != 0 && terms.settlementMode <= uint8(type(SettlementMode).max)
            && terms.verification != 0 && terms.verification <= uint8(type(Verification).max);
        bool bounded = terms.royaltyBps <= MAX_ROYALTY_BPS && terms.feeBpsCap <= MAX_FEE_BPS;
        bool payable_ = terms.payout != address(0) && (terms.royaltyTo != address(0) || terms.royaltyBps == 0);
        require(known && bounded && payable_ && terms.inbox == address(_inbox), EscrowBadTerms(termsHash));
        termsId = ++_termsCount;
        // The fee is fixed here, so that no later admin call can reach money under these terms.
        uint16 fee = feeBps < terms.feeBpsCap ? feeBps : terms.feeBpsCap;
        _terms[termsId] = TermsRecord(termsHash, terms.nodeId, terms.payout, terms.royaltyTo, terms.royaltyBps, fee);
        _termsIds[termsHash] = termsId;
        emit TermsRegistered(termsHash, terms.nodeId, terms.payout, terms.royaltyTo, terms.royaltyBps, fee);
    }

    /// @dev `statuses` come in with the rows that have no authority and leave with every row's outcome.
    function _claim(VoucherClaim[] calldata rows, ClaimStatus[] memory statuses) private {
        bytes32[] memory ids = new bytes32[](rows.length);
        bool whole = true;
        for (uint256 i = 0; i < rows.length; ++i) {
            ids[i] = _channelId(rows[i].voucher.channel);
            if (_lines[ids[i]].flags == 0) statuses[i] = ClaimStatus.NotRegistered;
            if (statuses[i] != ClaimStatus.None) whole = false;
        }
        // The channel contract refuses a whole list for one bad row: then row by row, and its counts decide what happened.
        if (whole) {
            try _x402.claim(rows) {}
            catch {
                whole = false;
            }
        }
        if (!whole) _claimSingly(rows, statuses);

        address swept = address(0);
        bool sound = false;
        for (uint256 i = 0; i < rows.length; ++i) {
            if (statuses[i] == ClaimStatus.None) {
                address token = rows[i].voucher.channel.token;
                if (token != swept) (swept, sound) = (token, _sweep(token));
                uint256 claimed = _totalClaimed(ids[i]);
                if (sound) _account(ids[i], claimed);
                statuses[i] = _outcome(claimed, rows[i].totalClaimed, sound);
            }
            if (statuses[i] != ClaimStatus.Claimed) emit RowSkipped(ids[i], statuses[i]);
        }
    }

    function _claimSingly(VoucherClaim[] calldata rows, ClaimStatus[] memory statuses) private {
        for (uint256 i = 0; i < rows.length; ++i) {
            if (statuses[i] != ClaimStatus.None) continue;
            // A list of one is its offset, its length and the row's own encoding, which begins with the row's offset.
            bytes memory list = abi.encodePacked(uint256(32), uint256(1), abi.encode(rows[i]));
            (bool claimed,) = address(_x402).call(bytes.concat(IX402BatchSettlement.claim.selector, list));
            claimed; // its counts say what happened
        }
    }

    function _outcome(uint256 claimed, uint256 asked, bool sound) private pure returns (ClaimStatus) {
        if (!sound) return ClaimStatus.TokenImpaired;
        if (claimed < asked) return ClaimStatus.Refused;
        return claimed == asked ? ClaimStatus.Claimed : ClaimStatus.Ahead;
    }

    /// @dev Takes note of a line's claimed end. The token is here.
    function _account(bytes32 paymentId, uint256 claimed) private {
        Line memory line = _lines[paymentId];
        if (line.flags & LINE_PRIVATE != 0) {
            if (claimed > line.settledUpTo) _payNode(paymentId, line, claimed, 0);
            return;
        }
        if (line.held == 0) {
            if (claimed == line.settledUpTo) return;
            _mark(paymentId, line, claimed);
        } else {
            if (line.flags & LINE_MORE != 0 || claimed <= uint256(line.settledUpTo) + line.held) return;
            line.flags |= LINE_MORE;
        }
        _lines[paymentId] = line;
    }

    function _carries(VoucherClaim calldata row, InferenceReceipt calldata receipt, bytes calldata signature)
        private
        view
        returns (bool)
    {
        bool reaches = uint256(receipt.cumulativeBefore) + receipt.charge == row.totalClaimed;
        if (!reaches || receipt.paymentId != _channelId(row.voucher.channel)) return false;
        (address signer,,) = ECDSA.tryRecoverCalldata(ReceiptLib.digest(receipt, _settlementDomain), signature);
        return signer != address(0) && isDelegate[row.voucher.channel.receiverAuthorizer][signer];
    }
}
