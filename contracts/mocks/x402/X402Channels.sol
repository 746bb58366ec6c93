// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {NonReentrant} from "../../libraries/NonReentrant.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ChannelConfig, IX402BatchSettlement, VoucherClaim} from "../../interfaces/IX402BatchSettlement.sol";

interface IDepositCollector {
    /// @notice Brings `amount` of the payer's token to the caller.
    function collect(address payer, address token, uint256 amount, bytes32 channelId, bytes calldata collectorData) external;
}

/// @title Devnet twin of x402's batch settlement contract
/// @notice Written from the public specification, not from the original's source: the same ABI, EIP-712 domain and types as the
/// deployed 0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003, where devnets place this code. Public chains use the original.
contract X402Channels is IX402BatchSettlement, EIP712, Multicall, NonReentrant {
    using SafeERC20 for IERC20;

    error ChannelBadConfig();
    error ChannelAmountZero();
    error ChannelDepositShort(uint256 expected, uint256 received);
    error ChannelNotReceiver(address caller);
    error ChannelNotPayer(address caller);
    error ChannelMixedAuthorizers();
    error ChannelBadSignature();
    error ChannelAboveCeiling(uint128 totalClaimed, uint128 ceiling);
    error ChannelAboveBalance(uint128 totalClaimed, uint128 balance);
    error ChannelAboveUnclaimed(uint128 amount, uint128 unclaimed);
    error ChannelNoWithdrawal();
    error ChannelTooEarly(uint256 due);
    error ChannelWrongNonce(uint256 nonce, uint256 expected);

    event ChannelCreated(bytes32 indexed channelId, ChannelConfig config);
    event ChannelClosed(bytes32 indexed channelId, ChannelConfig config);
    event Deposited(bytes32 indexed channelId, address indexed sender, uint128 amount, uint128 balance);
    event Claimed(bytes32 indexed channelId, address indexed sender, uint128 amount, uint128 totalClaimed);
    event Settled(address indexed receiver, address indexed token, address indexed sender, uint128 amount);
    event WithdrawInitiated(bytes32 indexed channelId, uint128 amount, uint40 due);
    event WithdrawFinalized(bytes32 indexed channelId, address indexed sender, uint128 amount);
    event Refunded(bytes32 indexed channelId, address indexed sender, uint128 amount);

    struct Channel {
        uint128 balance;
        uint128 totalClaimed;
    }

    struct Account {
        uint128 totalClaimed;
        uint128 totalSettled;
    }

    struct Withdrawal {
        uint128 amount;
        uint40 initiatedAt;
    }

    bytes32 public constant CHANNEL_CONFIG_TYPEHASH = keccak256(
        "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,"
        "uint40 withdrawDelay,bytes32 salt)"
    );
    bytes32 public constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 channelId,uint128 maxClaimableAmount)");
    bytes32 public constant REFUND_TYPEHASH = keccak256("Refund(bytes32 channelId,uint256 nonce,uint128 amount)");
    bytes32 public constant CLAIM_BATCH_TYPEHASH = keccak256(
        "ClaimBatch(ClaimEntry[] claims)ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
    );
    bytes32 public constant CLAIM_ENTRY_TYPEHASH =
        keccak256("ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)");
    uint40 public constant MIN_WITHDRAW_DELAY = 15 minutes;
    uint40 public constant MAX_WITHDRAW_DELAY = 30 days;

    /// Where the original stands. Placed code was constructed elsewhere, and would otherwise build its domain anew for every digest,
    /// which the original does not.
    address private constant CANONICAL = 0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003;
    bytes32 private immutable _canonicalDomain;
    uint256 private immutable _canonicalChain;

    mapping(bytes32 channelId => Channel) public channels;
    mapping(bytes32 channelId => Withdrawal) public pendingWithdrawals;
    mapping(bytes32 channelId => uint256) public refundNonce;
    mapping(address receiver => mapping(address token => Account)) public receivers;

    constructor() EIP712("x402 Batch Settlement", "1") {
        _canonicalChain = block.chainid;
        _canonicalDomain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("x402 Batch Settlement"),
                keccak256("1"),
                block.chainid,
                CANONICAL
            )
        );
    }

    function deposit(ChannelConfig calldata config, uint128 amount, address collector, bytes calldata collectorData)
        external
        nonReentrant
    {
        require(
            config.payer != address(0) && config.receiver != address(0) && config.receiverAuthorizer != address(0)
                && config.token != address(0) && config.withdrawDelay >= MIN_WITHDRAW_DELAY
                && config.withdrawDelay <= MAX_WITHDRAW_DELAY,
            ChannelBadConfig()
        );
        require(amount != 0, ChannelAmountZero());
        bytes32 channelId = getChannelId(config);
        Channel storage channel = channels[channelId];
        if (channel.balance == 0 && channel.totalClaimed == 0) emit ChannelCreated(channelId, config);
        channel.balance += amount;

        uint256 before = IERC20(config.token).balanceOf(address(this));
        IDepositCollector(collector).collect(config.payer, config.token, amount, channelId, collectorData);
        uint256 received = IERC20(config.token).balanceOf(address(this)) - before;
        require(received == amount, ChannelDepositShort(amount, received));
        emit Deposited(channelId, msg.sender, amount, channel.balance);
    }

    function claim(VoucherClaim[] calldata rows) external {
        for (uint256 i = 0; i < rows.length; ++i) {
            ChannelConfig calldata config = rows[i].voucher.channel;
            require(msg.sender == config.receiver || msg.sender == config.receiverAuthorizer, ChannelNotReceiver(msg.sender));
            _claim(rows[i]);
        }
    }

    function claimWithSignature(VoucherClaim[] calldata rows, bytes calldata authorizerSignature) external {
        if (rows.length == 0) return;
        address authorizer = rows[0].voucher.channel.receiverAuthorizer;
        bytes32 digest = getClaimBatchDigest(rows);
        require(SignatureChecker.isValidSignatureNowCalldata(authorizer, digest, authorizerSignature), ChannelBadSignature());
        for (uint256 i = 0; i < rows.length; ++i) {
            require(rows[i].voucher.channel.receiverAuthorizer == authorizer, ChannelMixedAuthorizers());
            _claim(rows[i]);
        }
    }

    function settle(address receiver, address token) external nonReentrant {
        Account storage account = receivers[receiver][token];
        uint128 amount = account.totalClaimed - account.totalSettled;
        if (amount == 0) return;
        account.totalSettled = account.totalClaimed;
        emit Settled(receiver, token, msg.sender, amount);
        IERC20(token).safeTransfer(receiver, amount);
    }

    function initiateWithdraw(ChannelConfig calldata config, uint128 amount) external {
        require(msg.sender == config.payer || msg.sender == config.payerAuthorizer, ChannelNotPayer(msg.sender));
        bytes32 channelId = getChannelId(config);
        uint128 unclaimed = channels[channelId].balance - channels[channelId].totalClaimed;
        require(amount != 0 && amount <= unclaimed, ChannelAboveUnclaimed(amount, unclaimed));
        pendingWithdrawals[channelId] = Withdrawal(amount, uint40(block.timestamp));
        emit WithdrawInitiated(channelId, amount, uint40(block.timestamp) + config.withdrawDelay);
    }

    function finalizeWithdraw(ChannelConfig calldata config) external nonReentrant {
        require(msg.sender == config.payer || msg.sender == config.payerAuthorizer, ChannelNotPayer(msg.sender));
        bytes32 channelId = getChannelId(config);
        Withdrawal memory pending = pendingWithdrawals[channelId];
        require(pending.initiatedAt != 0, ChannelNoWithdrawal());
        uint256 due = uint256(pending.initiatedAt) + config.withdrawDelay;
        require(block.timestamp >= due, ChannelTooEarly(due));
        delete pendingWithdrawals[channelId];
        uint128 paid = _payBack(channelId, config, pending.amount);
        emit WithdrawFinalized(channelId, msg.sender, paid);
    }

    function refund(ChannelConfig calldata config, uint128 amount) external nonReentrant {
        require(msg.sender == config.receiver || msg.sender == config.receiverAuthorizer, ChannelNotReceiver(msg.sender));
        _refund(getChannelId(config), config, amount);
    }

    function refundWithSignature(ChannelConfig calldata config, uint128 amount, uint256 nonce, bytes calldata authorizerSignature)
        external
        nonReentrant
    {
        bytes32 channelId = getChannelId(config);
        require(nonce == refundNonce[channelId], ChannelWrongNonce(nonce, refundNonce[channelId]));
        bytes32 digest = getRefundDigest(channelId, nonce, amount);
        require(
            SignatureChecker.isValidSignatureNowCalldata(config.receiverAuthorizer, digest, authorizerSignature),
            ChannelBadSignature()
        );
        _refund(channelId, config, amount);
    }

    function getChannelId(ChannelConfig calldata config) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(CHANNEL_CONFIG_TYPEHASH, config)));
    }

    function getVoucherDigest(bytes32 channelId, uint128 maxClaimableAmount) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(VOUCHER_TYPEHASH, channelId, maxClaimableAmount)));
    }

    function getRefundDigest(bytes32 channelId, uint256 nonce, uint128 amount) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(REFUND_TYPEHASH, channelId, nonce, amount)));
    }

    function getClaimBatchDigest(VoucherClaim[] calldata rows) public view returns (bytes32) {
        bytes32[] memory entries = new bytes32[](rows.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            entries[i] = keccak256(
                abi.encode(
                    CLAIM_ENTRY_TYPEHASH,
                    getChannelId(rows[i].voucher.channel),
                    rows[i].voucher.maxClaimableAmount,
                    rows[i].totalClaimed
                )
            );
        }
        return _hashTypedDataV4(keccak256(abi.encode(CLAIM_BATCH_TYPEHASH, keccak256(abi.encodePacked(entries)))));
    }

    function _hashTypedDataV4(bytes32 structHash) internal view override returns (bytes32) {
        if (address(this) != CANONICAL || block.chainid != _canonicalChain) return super._hashTypedDataV4(structHash);
        return MessageHashUtils.toTypedDataHash(_canonicalDomain, structHash);
    }

    function _claim(VoucherClaim calldata row) private {
        ChannelConfig calldata config = row.voucher.channel;
        bytes32 channelId = getChannelId(config);
        Channel memory channel = channels[channelId];
        uint128 ceiling = row.voucher.maxClaimableAmount;
        require(row.totalClaimed <= ceiling, ChannelAboveCeiling(row.totalClaimed, ceiling));
        uint128 before = channel.totalClaimed;
        // A row that moves nothing is no error and its signature is not looked at: claims may race.
        if (row.totalClaimed <= before) return;
        require(row.totalClaimed <= channel.balance, ChannelAboveBalance(row.totalClaimed, channel.balance));

        bytes32 digest = getVoucherDigest(channelId, ceiling);
        if (config.payerAuthorizer == address(0)) {
            require(SignatureChecker.isValidSignatureNowCalldata(config.payer, digest, row.signature), ChannelBadSignature());
        } else {
            (address signer,,) = ECDSA.tryRecoverCalldata(digest, row.signature);
            require(signer == config.payerAuthorizer, ChannelBadSignature());
        }
        uint128 amount = row.totalClaimed - before;
        channels[channelId].totalClaimed = row.totalClaimed;
        receivers[config.receiver][config.token].totalClaimed += amount;
        emit Claimed(channelId, msg.sender, amount, row.totalClaimed);
    }

    function _refund(bytes32 channelId, ChannelConfig calldata config, uint128 amount) private {
        require(amount != 0, ChannelAmountZero());
        ++refundNonce[channelId];
        Withdrawal storage pending = pendingWithdrawals[channelId];
        uint128 paid = _payBack(channelId, config, amount);
        if (pending.amount > paid) pending.amount -= paid;
        else delete pendingWithdrawals[channelId];
        if (paid != 0) emit Refunded(channelId, msg.sender, paid);
    }

    /// @dev Pays back to the payer, at most what is not claimed.
    function _payBack(bytes32 channelId, ChannelConfig calldata config, uint128 amount) private returns (uint128 paid) {
        Channel storage channel = channels[channelId];
        uint128 unclaimed = channel.balance - channel.totalClaimed;
        paid = amount < unclaimed ? amount : unclaimed;
        if (paid == 0) return 0;
        channel.balance -= paid;
        if (channel.balance == 0 && channel.totalClaimed == 0) emit ChannelClosed(channelId, config);
        IERC20(config.token).safeTransfer(config.payer, paid);
    }
}
