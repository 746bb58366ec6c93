// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title The EIP-712 domain of the protocol
/// @notice Name "OpenGradient", version "1". A contract on another chain (SettlementInbox) needs the settlement
/// contract's domain, so it is computed from its chain and address rather than taken from the executing contract.
library ProtocolDomain {
    bytes32 private constant TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    function separator(uint256 chainId, address verifyingContract) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, keccak256("OpenGradient"), keccak256("1"), chainId, verifyingContract));
    }
}
