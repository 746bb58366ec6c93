// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation, IAttestationVerifier} from "../interfaces/IAttestationVerifier.sol";

/// @title Says whatever the evidence says: unit tests of what is built on attestations
contract TestAttestationVerifier is IAttestationVerifier {
    /// @param evidence abi.encode(Attestation).
    function verify(bytes calldata evidence, bytes calldata) external pure override returns (Attestation memory) {
        return abi.decode(evidence, (Attestation));
    }
}
