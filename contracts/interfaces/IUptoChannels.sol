// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelConfig, IX402BatchSettlement} from "./IX402BatchSettlement.sol";

/// What the payer of an `upto` payment signs for Permit2, as x402's proxy takes it.
interface IUptoProxy {
    struct TokenPermissions {
        address token;
        uint256 amount;
    }

    struct PermitTransferFrom {
        TokenPermissions permitted;
        uint256 nonce;
        uint256 deadline;
    }

    struct Witness {
        address to;
        address facilitator;
        uint256 validAfter;
    }

    struct EIP2612Permit {
        uint256 value;
        uint256 deadline;
        bytes32 r;
        bytes32 s;
        uint8 v;
    }

    function settle(
        PermitTransferFrom calldata permit,
        uint256 amount,
        address owner,
        Witness calldata witness,
        bytes calldata signature
    ) external;

    function settleWithPermit(
        EIP2612Permit calldata permit2612,
        PermitTransferFrom calldata permit,
        uint256 amount,
        address owner,
        Witness calldata witness,
        bytes calldata signature
    ) external;
}

/// One `upto` payment and the route that takes it.
struct Payment {
    address operator;
    bytes32 termsHash;
    address escrow;
    address payer;
    address token;
    uint256 nonce; // Permit2's: used once
}

/// @title Routed upto payments, as channels
/// @notice x402's `upto` delivers tokens without saying for what. Routed, each payment becomes a channel with one claim, and a
/// PaymentEscrow that is built on this contract holds and releases it by the same rules as a channel: terms, Ack, certificate, silence.
///
/// HOW. A route is a contract made for one operator, one terms' hash and one escrow; its address commits to all three. It is the
/// facilitator that the payer's witness names: so the payer signs the terms, and x402's proxy takes the payment from this route alone.
/// The tokens go to this contract (`payTo`), which counts what arrived for a channel whose salt is TermsLib.salt(termsHash, Permit2's
/// nonce). Anyone registers it at the escrow and calls `sync` there.
/// ROLES. A route's operator says how much of the permitted amount is taken. Anyone makes routes and sweeps to the escrow.
/// TRUST. x402's proxy and Permit2, as for every `upto` payment. No admin.
interface IUptoChannels is IX402BatchSettlement {
    /// The caller is not the route of this operator, these terms and this escrow.
    error UptoNotRoute(address caller, address route);
    error UptoNotOperator(address caller, address operator);
    /// The witness pays somebody else.
    error UptoWrongRecipient(address to);
    error UptoAlreadyPaid(bytes32 paymentId);
    error UptoNothingArrived(address token);
    error UptoTransferFailed(address token, address to, uint256 amount);
    /// There are no vouchers here: payments count when they arrive.
    error UptoNoVouchers();

    event RouteMade(address indexed route, address indexed operator, bytes32 indexed termsHash, address escrow);
    /// `nonce`: Permit2's, the clientNonce of the channel's salt.
    event Routed(bytes32 indexed paymentId, address indexed payer, address indexed token, uint128 amount, uint256 nonce);
    event Swept(address indexed receiver, address indexed token, uint128 amount);

    /// @notice Makes a route; returns it when it is there.
    function makeRoute(address operator, bytes32 termsHash, address escrow) external returns (address route);

    /// @notice A route's address, whether it is made or not.
    function routeOf(address operator, bytes32 termsHash, address escrow) external view returns (address route);

    /// @notice Called by a route when the proxy has moved `amount`: counts what arrived of it.
    function credit(Payment calldata payment, uint256 amount) external returns (bytes32 paymentId);

    /// @notice The channel of a payment: what `IPaymentEscrow.register` takes, with `bytes32(nonce)` as clientNonce.
    function configOf(Payment calldata payment) external view returns (ChannelConfig memory);
}

/// @title Route of upto payments
/// @notice Takes payments as x402's proxy does, for its operator alone. The same calls as the proxy's.
interface IUptoRoute is IUptoProxy {
    function operator() external view returns (address);

    function termsHash() external view returns (bytes32);

    function escrow() external view returns (address);
}
