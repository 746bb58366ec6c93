// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Node vault
/// @notice Where `upto` and `exact` pay to. These schemes deliver tokens without saying for what, so nothing here is held or
/// released by proof: the money is the node's when it arrives, less the protocol's fee. Offers and receipts say "unprotected".
///
/// ROLES. Anyone may push the balance to its beneficiaries; payout and fee are fixed at creation.
interface INodeVault {
    error VaultZeroAddress();
    error VaultFeeTooHigh(uint256 bps, uint256 max);
    error VaultEmpty(address token);
    error VaultTransferFailed(address token, address to, uint256 amount);

    event Paid(address indexed token, address indexed payout, uint256 net, uint256 fee);

    /// @notice Sends what has come in to payout and treasury.
    function withdraw(address token) external returns (uint256 net, uint256 fee);

    function nodeId() external view returns (bytes32);

    function payout() external view returns (address);

    function treasury() external view returns (address);

    function feeBps() external view returns (uint16);
}
