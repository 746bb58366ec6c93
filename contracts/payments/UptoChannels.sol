// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IUptoChannels, Payment} from "../interfaces/IUptoChannels.sol";
import {ChannelConfig, VoucherClaim} from "../interfaces/IX402BatchSettlement.sol";
import {NonReentrant} from "../libraries/NonReentrant.sol";
import {TermsLib} from "../types/Terms.sol";
import {UptoRoute} from "./UptoRoute.sol";

/// @title Routed upto payments, as channels
/// @dev See IUptoChannels. Channel ids are made as the x402 channel contract makes its own, under this contract's domain.
contract UptoChannels is IUptoChannels, EIP712, NonReentrant {
    using SafeERC20 for IERC20;

    bytes32 private constant CHANNEL_CONFIG_TYPEHASH = keccak256(
        "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,"
        "uint40 withdrawDelay,bytes32 salt)"
    );
    /// Nobody withdraws here; an escrow asks for a delay.
    uint40 private constant WITHDRAW_DELAY = 30 days;

    struct Channel {
        uint128 balance;
        uint128 totalClaimed;
    }

    struct Account {
        uint128 totalClaimed;
        uint128 totalSettled;
    }

    mapping(bytes32 paymentId => Channel) public channels;
    mapping(address receiver => mapping(address token => Account)) public receivers;
    mapping(address token => uint256) private _owed; // counted, not swept

    constructor() EIP712("x402 Batch Settlement", "1") {}

    function makeRoute(address operator, bytes32 termsHash, address escrow) external returns (address route) {
        route = routeOf(operator, termsHash, escrow);
        if (route.code.length != 0) return route;
        new UptoRoute{salt: 0}(operator, termsHash, escrow);
        emit RouteMade(route, operator, termsHash, escrow);
    }

    function credit(Payment calldata payment, uint256 amount) external nonReentrant returns (bytes32 paymentId) {
        address route = routeOf(payment.operator, payment.termsHash, payment.escrow);
        require(msg.sender == route, UptoNotRoute(msg.sender, route));
        paymentId = getChannelId(configOf(payment));
        require(channels[paymentId].totalClaimed == 0, UptoAlreadyPaid(paymentId));

        // What the token says of itself is not asked: only what is here and nobody else's.
        uint256 arrived = IERC20(payment.token).balanceOf(address(this)) - _owed[payment.token];
        if (arrived > amount) arrived = amount;
        require(arrived != 0 && arrived <= type(uint128).max, UptoNothingArrived(payment.token));
        _owed[payment.token] += arrived;
        channels[paymentId] = Channel(uint128(arrived), uint128(arrived));
        receivers[payment.escrow][payment.token].totalClaimed += uint128(arrived);
        emit Routed(paymentId, payment.payer, payment.token, uint128(arrived), payment.nonce);
    }

    function settle(address receiver, address token) external nonReentrant {
        Account storage account = receivers[receiver][token];
        uint128 amount = account.totalClaimed - account.totalSettled;
        if (amount == 0) return;
        account.totalSettled = account.totalClaimed;
        _owed[token] -= amount;
        emit Swept(receiver, token, amount);
        require(IERC20(token).trySafeTransfer(receiver, amount), UptoTransferFailed(token, receiver, amount));
    }

    function claim(VoucherClaim[] calldata) external pure {
        revert UptoNoVouchers();
    }

    function claimWithSignature(VoucherClaim[] calldata, bytes calldata) external pure {
        revert UptoNoVouchers();
    }

    function getClaimBatchDigest(VoucherClaim[] calldata) external pure returns (bytes32) {
        revert UptoNoVouchers();
    }

    function routeOf(address operator, bytes32 termsHash, address escrow) public view returns (address) {
        bytes32 code = keccak256(abi.encodePacked(type(UptoRoute).creationCode, abi.encode(operator, termsHash, escrow)));
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), address(this), bytes32(0), code)))));
    }

    function configOf(Payment calldata payment) public pure returns (ChannelConfig memory) {
        return ChannelConfig({
            payer: payment.payer,
            payerAuthorizer: payment.payer,
            receiver: payment.escrow,
            receiverAuthorizer: payment.operator,
            token: payment.token,
            withdrawDelay: WITHDRAW_DELAY,
            salt: TermsLib.salt(payment.termsHash, bytes32(payment.nonce))
        });
    }

    function getChannelId(ChannelConfig memory config) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(CHANNEL_CONFIG_TYPEHASH, config)));
    }
}
