// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// An x402 payment channel. Its id is the struct's EIP-712 hash under the channel contract's domain.
struct ChannelConfig {
    address payer;
    address payerAuthorizer; // signs vouchers; 0 asks the payer by ERC-1271
    address receiver; // here: PaymentEscrow
    address receiverAuthorizer; // here: the node's payment authorizer
    address token;
    uint40 withdrawDelay; // seconds
    bytes32 salt; // here: TermsLib.salt(termsHash, clientNonce), or 0 for the node's default terms
}

struct Voucher {
    ChannelConfig channel;
    uint128 maxClaimableAmount; // ceiling of the channel's line that the payer signed
}

struct VoucherClaim {
    Voucher voucher;
    bytes signature; // payer's or its authorizer's, over (channelId, maxClaimableAmount)
    uint128 totalClaimed; // where the line shall stand after the claim
}

/// @title x402 batch settlement
/// @notice The part of the canonical channel contract (0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003) that the protocol
/// speaks to. On public chains it is the deployed original, on devnets the twin of contracts/mocks/x402.
interface IX402BatchSettlement {
    /// @notice Moves money of channels to their receiver's account, without transfer. Caller: receiver or receiverAuthorizer of every row.
    function claim(VoucherClaim[] calldata voucherClaims) external;

    /// @notice The same by signature of the rows' one receiverAuthorizer over ClaimBatch; anyone may send it.
    function claimWithSignature(VoucherClaim[] calldata voucherClaims, bytes calldata authorizerSignature) external;

    /// @notice Transfers what was claimed and not transferred yet; anyone may call.
    function settle(address receiver, address token) external;

    function getChannelId(ChannelConfig calldata config) external view returns (bytes32);

    function channels(bytes32 channelId) external view returns (uint128 balance, uint128 totalClaimed);

    function receivers(address receiver, address token) external view returns (uint128 totalClaimed, uint128 totalSettled);

    function getClaimBatchDigest(VoucherClaim[] calldata voucherClaims) external view returns (bytes32);
}
