// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// Prices of one model version, smallest token units; units are priced per million.
struct Price {
    bytes32 modelId;
    uint128 perRequest;
    uint128 perMillionInput;
    uint128 perMillionOutput;
    uint128 perMillionReasoning;
}

/// @title Price lists
/// @notice A terms' tariffHash is EIP-712's struct hash of `Tariff(uint256 chainId,address token,Price[] prices)`, prices strictly
/// ascending by model. One rounding rule: the units' price is rounded up once.
library TariffLib {
    bytes32 internal constant PRICE_TYPEHASH = keccak256(
        "Price(bytes32 modelId,uint128 perRequest,uint128 perMillionInput,uint128 perMillionOutput,uint128 perMillionReasoning)"
    );
    bytes32 internal constant TARIFF_TYPEHASH = keccak256(
        "Tariff(uint256 chainId,address token,Price[] prices)"
        "Price(bytes32 modelId,uint128 perRequest,uint128 perMillionInput,uint128 perMillionOutput,uint128 perMillionReasoning)"
    );

    function hash(Price memory price) internal pure returns (bytes32) {
        return keccak256(abi.encode(PRICE_TYPEHASH, price));
    }

    /// @param priceHashes Of the whole list, in order.
    function tariffHash(uint256 chainId, address token, bytes32[] memory priceHashes) internal pure returns (bytes32) {
        return keccak256(abi.encode(TARIFF_TYPEHASH, chainId, token, keccak256(abi.encodePacked(priceHashes))));
    }

    /// @notice Most that a receipt with these signed units may charge: all output at the dearer output price, since a receipt does
    /// not tell answer from reasoning.
    function mostFor(Price memory price, uint64 inputUnits, uint64 outputUnits) internal pure returns (uint256) {
        uint256 output = price.perMillionOutput > price.perMillionReasoning ? price.perMillionOutput : price.perMillionReasoning;
        uint256 units = uint256(inputUnits) * price.perMillionInput + uint256(outputUnits) * output;
        return price.perRequest + (units + 999_999) / 1_000_000;
    }
}
