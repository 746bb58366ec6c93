// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {LINE_MORE, Line, Split, TermsRecord} from "../interfaces/IPaymentEscrow.sol";
import {ChannelConfig} from "../interfaces/IX402BatchSettlement.sol";
import {EscrowStore} from "./EscrowStore.sol";

/// @title How a stretch of a line becomes somebody's credit
/// @dev The only places that raise `settledUpTo` and `credit`.
abstract contract EscrowPayout is EscrowStore {
    bytes32 private constant CHANNEL_CONFIG_TYPEHASH = keccak256(
        "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,"
        "uint40 withdrawDelay,bytes32 salt)"
    );
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    /// @dev [settledUpTo, to) goes to the node; `line` is stored.
    function _payNode(bytes32 paymentId, Line memory line, uint256 to, bytes32 cause) internal returns (uint256 gross) {
        Channel memory channel = _channels[paymentId];
        TermsRecord storage terms = _terms[channel.termsId];
        gross = to - line.settledUpTo;
        Split memory split = _splitOf(terms, gross);
        emit Released(paymentId, cause, line.settledUpTo, to, split.fee, split.royalty);
        _settle(paymentId, line, to);
        address token = _tokens[channel.tokenId];
        _credit(terms.payout, token, split.net);
        _credit(treasury, token, split.fee);
        _credit(terms.royaltyTo, token, split.royalty);
    }

    /// @dev [settledUpTo, to) goes to the payer; `line` is stored.
    function _payPayer(bytes32 paymentId, Line memory line, uint256 to, bytes32 cause) internal returns (uint256 gross) {
        Channel memory channel = _channels[paymentId];
        gross = to - line.settledUpTo;
        emit Refunded(paymentId, cause, line.settledUpTo, to);
        _settle(paymentId, line, to);
        _credit(channel.payer, _tokens[channel.tokenId], gross);
    }

    /// @dev Most of `target` that can be settled now, and the mark that allows it. Above the mark only after a look at what is
    /// claimed and here; 0 when the token is impaired.
    function _reach(bytes32 paymentId, Line memory line, uint256 target) internal returns (uint256 to, bool sound) {
        uint256 mark = uint256(line.settledUpTo) + line.held;
        if (target <= mark) return (target, true);
        if (!_sweep(_tokenOf(paymentId))) return (mark, false);
        uint256 claimed = _totalClaimed(paymentId);
        return (target < claimed ? target : claimed, true);
    }

    function _channelId(ChannelConfig calldata config) internal view returns (bytes32) {
        bytes32 structHash = keccak256(abi.encode(CHANNEL_CONFIG_TYPEHASH, config));
        return keccak256(abi.encodePacked(hex"1901", _channelDomain(), structHash));
    }

    function _credit(address beneficiary, address token, uint256 amount) private {
        if (amount != 0) credit[beneficiary][token] += amount;
    }

    /// @dev Raises the watermark. A closed mark is followed by the next one at once when there is money above.
    function _settle(bytes32 paymentId, Line memory line, uint256 to) private {
        uint256 mark = uint256(line.settledUpTo) + line.held;
        line.settledUpTo = uint96(to);
        if (to < mark) line.held = uint88(mark - to);
        else _mark(paymentId, line, _nextMark(paymentId, line, to, mark));
        _lines[paymentId] = line;
    }

    function _nextMark(bytes32 paymentId, Line memory line, uint256 to, uint256 mark) private returns (uint256) {
        bool above = to > mark || line.flags & LINE_MORE != 0;
        if (!above || !_sweep(_tokenOf(paymentId))) return to;
        return _totalClaimed(paymentId);
    }

    function _channelDomain() private view returns (bytes32) {
        return keccak256(
            abi.encode(DOMAIN_TYPEHASH, keccak256("x402 Batch Settlement"), keccak256("1"), block.chainid, address(_x402))
        );
    }
}
