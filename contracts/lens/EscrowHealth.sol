// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IEscrowHealth} from "../interfaces/IEscrowHealth.sol";
import {Finding} from "../interfaces/IHealthLens.sol";
import {ChannelRecord, IPaymentEscrow, Line, TermsRecord} from "../interfaces/IPaymentEscrow.sol";
import {ISettlementInbox} from "../interfaces/ISettlementInbox.sol";
import {IX402BatchSettlement} from "../interfaces/IX402BatchSettlement.sol";

/// @title Health of an escrow
/// @dev Stateless, for any escrow; it holds no rule of its own beyond the invariants.
contract EscrowHealth is IEscrowHealth {
    uint256 private constant BPS = 10_000;

    /// @inheritdoc IEscrowHealth
    function backing(address escrow, address token, bytes32[] calldata paymentIds, address[] calldata beneficiaries)
        external
        view
        override
        returns (Finding memory)
    {
        IPaymentEscrow target = IPaymentEscrow(escrow);
        uint256 owed = 0;
        for (uint256 i = 0; i < paymentIds.length; ++i) {
            if (target.channelOf(paymentIds[i]).token != token) continue;
            (, uint128 claimed) = IX402BatchSettlement(target.channelContract()).channels(paymentIds[i]);
            uint256 settled = target.lineOf(paymentIds[i]).settledUpTo;
            owed += claimed > settled ? claimed - settled : 0;
        }
        for (uint256 i = 0; i < beneficiaries.length; ++i) owed += target.credit(beneficiaries[i], token);
        // What is claimed and not swept yet still lies in the channel contract, among deposits.
        uint256 held = IERC20(token).balanceOf(escrow) + IERC20(token).balanceOf(target.channelContract());
        return Finding("E1", owed <= held, owed, held);
    }

    /// @inheritdoc IEscrowHealth
    function channels(address escrow, bytes32[] calldata paymentIds) external view override returns (Finding[] memory list) {
        IPaymentEscrow target = IPaymentEscrow(escrow);
        uint256[3] memory good;
        for (uint256 i = 0; i < paymentIds.length; ++i) {
            Line memory line = target.lineOf(paymentIds[i]);
            (, uint128 claimed) = IX402BatchSettlement(target.channelContract()).channels(paymentIds[i]);
            if (uint256(line.settledUpTo) + line.held <= claimed) ++good[0];
            ChannelRecord memory channel = target.channelOf(paymentIds[i]);
            TermsRecord memory terms = target.termsOf(channel.termsHash);
            if (terms.termsHash == channel.termsHash && terms.payout != address(0)) ++good[1];
            if (uint256(terms.feeBps) + terms.royaltyBps <= BPS) ++good[2];
        }
        list = new Finding[](3);
        list[0] = Finding("E2", good[0] == paymentIds.length, good[0], paymentIds.length);
        list[1] = Finding("E6", good[1] == paymentIds.length, good[1], paymentIds.length);
        list[2] = Finding("E9", good[2] == paymentIds.length, good[2], paymentIds.length);
    }

    /// @inheritdoc IEscrowHealth
    function releases(address escrow, address token) external view override returns (Finding[] memory list) {
        IPaymentEscrow target = IPaymentEscrow(escrow);
        ISettlementInbox inbox = ISettlementInbox(target.inbox());
        list = new Finding[](2);
        (uint256 cap, uint256 used) = target.releaseCap(inbox.currentEpoch(), token);
        list[0] = Finding("E5", used <= cap, used, cap);
        uint256 silence = block.timestamp - inbox.lastHeardAt();
        list[1] = Finding("inbox-alive", silence <= inbox.times().silence, silence, inbox.times().silence);
    }
}
