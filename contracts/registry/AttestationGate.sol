// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";

import {Binding, IAttestationGate} from "../interfaces/IAttestationGate.sol";
import {Attestation, IAttestationVerifier} from "../interfaces/IAttestationVerifier.sol";
import {IMeasurementPolicy} from "../interfaces/IMeasurementPolicy.sol";

/// @title Admission by attestation
contract AttestationGate is IAttestationGate, AccessManaged {
    /// Clocks of enclaves and chains differ by that much.
    uint64 private constant CLOCK_SKEW = 30;
    bytes32 private constant BINDING_TYPEHASH = keccak256(
        "NodeBinding(uint256 chainId,address registry,address operator,bytes32 nodeId,address payout,address paymentAuthorizer,"
        "bytes32 policyId,bytes32 workload,uint8 keyType,bytes32 publicKeyHash,bytes32 endpointHash,bytes32 tlsSpkiHash,bytes32 hpkeKeyHash)"
    );
    bytes32 private constant NONCE_TYPEHASH =
        keccak256("AttestationNonce(uint256 chainId,address registry,address operator,uint64 nonceBlock,bytes32 blockHash)");

    IMeasurementPolicy public immutable POLICY;
    uint64 public immutable MAX_AGE;
    uint64 public immutable NONCE_MAX_BLOCKS;

    mapping(uint8 teeType => IAttestationVerifier) private _verifiers;
    mapping(bytes32 attestation => bool) private _used;

    /// @param maxAge Seconds between attestation and admission.
    /// @param nonceMaxBlocks How old a nonce's block may be.
    constructor(address authority, IMeasurementPolicy policy, uint64 maxAge, uint64 nonceMaxBlocks) AccessManaged(authority) {
        require(address(policy) != address(0), AttestationGateBadParams("policy"));
        require(maxAge != 0, AttestationGateBadParams("maxAge"));
        require(nonceMaxBlocks != 0 && nonceMaxBlocks <= 8_191, AttestationGateBadParams("nonceMaxBlocks"));
        (POLICY, MAX_AGE, NONCE_MAX_BLOCKS) = (policy, maxAge, nonceMaxBlocks);
    }

    /// @inheritdoc IAttestationGate
    function setAttestationVerifier(uint8 teeType, address verifier) external override restricted {
        require(teeType != 0 && teeType < 16, AttestationGateBadParams("teeType"));
        _verifiers[teeType] = IAttestationVerifier(verifier);
        emit AttestationVerifierSet(teeType, verifier);
    }

    /// @inheritdoc IAttestationGate
    function admit(Binding calldata binding, uint8 teeType, uint64 nonceBlock, bytes calldata evidence, bytes calldata hints)
        external
        override
        returns (Attestation memory attestation)
    {
        bytes32 nonce = attestationNonce(msg.sender, binding.operator, nonceBlock);
        IAttestationVerifier verifier = _verifiers[teeType];
        require(address(verifier) != address(0), AttestationGateNoVerifier(teeType));
        attestation = verifier.verify(evidence, hints);

        _bound("teeType", bytes32(uint256(attestation.teeType)), bytes32(uint256(teeType)));
        _bound("publicKey", attestation.publicKeyHash, binding.publicKeyHash);
        _bound("userData", attestation.userDataHash, keccak256(abi.encodePacked(bindingHash(msg.sender, binding))));
        _bound("nonce", attestation.nonceHash, keccak256(abi.encodePacked(nonce)));
        // TDX quotes carry no time: the nonce's block is their time.
        if (attestation.attestedAt != 0) {
            bool fresh = attestation.attestedAt + MAX_AGE >= block.timestamp && attestation.attestedAt <= block.timestamp + CLOCK_SKEW;
            require(fresh, AttestationGateStale(attestation.attestedAt, block.timestamp, MAX_AGE));
        }
        require(attestation.validUntil > block.timestamp, AttestationGateExpired(attestation.validUntil, block.timestamp));
        POLICY.check(binding.policyId, binding.workload, attestation);

        // By content, not by bytes: evidence can be re-encoded.
        bytes32 once = keccak256(abi.encode(msg.sender, attestation.deviceId, attestation.attestedAt, nonce));
        require(!_used[once], AttestationGateUsed(once));
        _used[once] = true;
    }

    /// @inheritdoc IAttestationGate
    function attestationVerifier(uint8 teeType) external view override returns (address) {
        return address(_verifiers[teeType]);
    }

    /// @inheritdoc IAttestationGate
    function bindingHash(address registry, Binding calldata binding) public view override returns (bytes32) {
        // All members are static: the struct encodes as its members.
        return keccak256(abi.encode(BINDING_TYPEHASH, block.chainid, registry, binding));
    }

    /// @inheritdoc IAttestationGate
    function attestationNonce(address registry, address operator, uint64 nonceBlock) public view override returns (bytes32) {
        uint256 current = block.number;
        require(nonceBlock < current && current - nonceBlock <= NONCE_MAX_BLOCKS, AttestationGateNonceBlock(nonceBlock, current));
        bytes32 blockHash = Blockhash.blockHash(nonceBlock);
        // Beyond 256 blocks the hash comes from EIP-2935; a chain without it answers zero.
        require(blockHash != 0, AttestationGateNonceBlock(nonceBlock, current));
        return keccak256(abi.encode(NONCE_TYPEHASH, block.chainid, registry, operator, nonceBlock, blockHash));
    }

    function _bound(string memory field, bytes32 attested, bytes32 expected) private pure {
        require(attested == expected, AttestationGateBinding(field, attested, expected));
    }
}
