// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IUptoChannels, IUptoProxy, IUptoRoute, Payment} from "../interfaces/IUptoChannels.sol";

/// @title Route of upto payments
/// @dev See IUptoChannels. Made by it alone, and immutable: its address is what the payer signs.
contract UptoRoute is IUptoRoute {
    /// x402's upto proxy, the same on every chain.
    IUptoProxy private constant PROXY = IUptoProxy(0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002);

    IUptoChannels private immutable _channels;
    address public immutable operator;
    bytes32 public immutable termsHash;
    address public immutable escrow;

    constructor(address operator_, bytes32 termsHash_, address escrow_) {
        (_channels, operator, termsHash, escrow) = (IUptoChannels(msg.sender), operator_, termsHash_, escrow_);
    }

    function settle(
        PermitTransferFrom calldata permit,
        uint256 amount,
        address owner,
        Witness calldata witness,
        bytes calldata signature
    ) external {
        _check(witness);
        PROXY.settle(permit, amount, owner, witness, signature);
        _credit(permit, amount, owner);
    }

    function settleWithPermit(
        EIP2612Permit calldata permit2612,
        PermitTransferFrom calldata permit,
        uint256 amount,
        address owner,
        Witness calldata witness,
        bytes calldata signature
    ) external {
        _check(witness);
        PROXY.settleWithPermit(permit2612, permit, amount, owner, witness, signature);
        _credit(permit, amount, owner);
    }

    function _credit(PermitTransferFrom calldata permit, uint256 amount, address owner) private {
        _channels.credit(Payment(operator, termsHash, escrow, owner, permit.permitted.token, permit.nonce), amount);
    }

    /// @dev The proxy itself asks whether the witness names this route as facilitator.
    function _check(Witness calldata witness) private view {
        require(msg.sender == operator, IUptoChannels.UptoNotOperator(msg.sender, operator));
        require(witness.to == address(_channels), IUptoChannels.UptoWrongRecipient(witness.to));
    }
}
