// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {ISignatureChecker} from "../interfaces/ISignatureChecker.sol";
import {RsaPss} from "../libraries/RsaPss.sol";
import {KeyType} from "../types/Enums.sol";

/// @title Signatures of key epochs
contract SignatureChecker is ISignatureChecker {
    uint256 private constant SECP256K1_P = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F;
    uint256 private constant P256_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF;
    uint256 private constant P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B;
    address private constant P256_VERIFY = address(0x100);

    /// @inheritdoc ISignatureChecker
    function isKey(KeyType keyType, bytes calldata publicKey) external pure override returns (bool) {
        if (keyType == KeyType.RsaPss2048) return RsaPss.isKey(publicKey);
        if (keyType == KeyType.None || publicKey.length != 65 || publicKey[0] != 0x04) return false;
        (uint256 x, uint256 y) = _coordinates(publicKey);
        (uint256 p, uint256 b) = keyType == KeyType.Secp256k1 ? (SECP256K1_P, 7) : (P256_P, P256_B);
        if (x >= p || y >= p) return false;
        uint256 right = addmod(mulmod(mulmod(x, x, p), x, p), b, p);
        if (keyType == KeyType.P256) right = addmod(right, mulmod(p - 3, x, p), p);
        return mulmod(y, y, p) == right;
    }

    /// @inheritdoc ISignatureChecker
    function store(KeyType keyType, bytes calldata publicKey) external override returns (address signer) {
        if (keyType == KeyType.Secp256k1) {
            (uint256 x, uint256 y) = _coordinates(publicKey);
            return address(uint160(uint256(keccak256(abi.encode(x, y)))));
        }
        // PUSH2 size, DUP1, PUSH1 12, PUSH1 0, CODECOPY, PUSH1 0, RETURN: returns what follows, a zero byte and the key.
        bytes memory creation = abi.encodePacked(hex"61", uint16(publicKey.length + 1), hex"80600c6000396000f3", bytes1(0), publicKey);
        assembly ("memory-safe") {
            signer := create(0, add(creation, 32), mload(creation))
        }
        require(signer != address(0), SignatureCheckerStoreFailed());
    }

    /// @inheritdoc ISignatureChecker
    function verify(KeyType keyType, address signer, bytes32 digest, bytes calldata signature) external view override returns (bool) {
        if (keyType == KeyType.Secp256k1) {
            (address recovered,,) = ECDSA.tryRecoverCalldata(digest, signature);
            return recovered == signer && recovered != address(0);
        }
        if (keyType == KeyType.P256) return _verifyP256(load(signer), digest, signature);
        if (keyType == KeyType.RsaPss2048) return RsaPss.verify(load(signer), digest, signature);
        return false;
    }

    /// @inheritdoc ISignatureChecker
    function load(address signer) public view override returns (bytes memory publicKey) {
        uint256 size = signer.code.length;
        if (size < 2) return "";
        publicKey = new bytes(size - 1);
        assembly ("memory-safe") {
            extcodecopy(signer, add(publicKey, 32), 1, sub(size, 1))
        }
    }

    function _verifyP256(bytes memory publicKey, bytes32 digest, bytes calldata signature) private view returns (bool) {
        if (signature.length != 64 || publicKey.length != 65) return false;
        (uint256 x, uint256 y) = _coordinates(publicKey);
        (bool ok, bytes memory answer) =
            P256_VERIFY.staticcall(abi.encodePacked(sha256(abi.encodePacked(digest)), signature, x, y));
        if (ok && answer.length == 32) return abi.decode(answer, (uint256)) == 1;
        // The precompile answers "no" with nothing, and so does an account without code: ask it something known.
        require(_p256Present(), SignatureCheckerNoP256());
        return false;
    }

    /// @return Whether the precompile accepts a known good signature.
    function _p256Present() private view returns (bool) {
        // RFC 6979, A.2.5: P-256, SHA-256, message "sample".
        (bool ok, bytes memory answer) = P256_VERIFY.staticcall(
            abi.encodePacked(
                sha256("sample"),
                hex"efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
                hex"f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
                hex"60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
                hex"7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
            )
        );
        return ok && answer.length == 32 && abi.decode(answer, (uint256)) == 1;
    }

    function _coordinates(bytes memory publicKey) private pure returns (uint256 x, uint256 y) {
        assembly ("memory-safe") {
            x := mload(add(publicKey, 33))
            y := mload(add(publicKey, 65))
        }
    }
}
