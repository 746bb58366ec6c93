// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

// Every enumeration starts with an explicit None = 0, so that an unset field can never pass for a real value.

/// What a node does, and which bond ledger and workload belong to it. One node has one role.
enum Role {
    None,
    Inference,
    Data,
    Full
}

/// How the public key of a key epoch signs. See SignatureChecker.
enum KeyType {
    None,
    Secp256k1, // 65 bytes 0x04 | x | y; signs the EIP-712 digest; signature r | s | v
    P256, // 65 bytes 0x04 | x | y; signs SHA-256 of the 32 digest bytes; signature r | s
    RsaPss2048 // 294 bytes DER SubjectPublicKeyInfo; RSA-PSS, SHA-256, MGF1-SHA-256, salt 32, over the 32 digest bytes
}

/// How an answer came to its end.
enum Outcome {
    None,
    Complete,
    Partial, // the stream was closed early; charged for what was flushed
    Error // charge 0
}

/// Which evidence the payer asked for; part of the terms.
enum Verification {
    None,
    Tee,
    Zkml,
    TeeAndZkml,
    Vanilla
}

/// How receipts reach the chain; part of the terms.
enum SettlementMode {
    None,
    Private, // never posted: the payer trusts the receipt, money is released at claim
    Batch,
    Individual
}

/// Where a batch header stands. PROTOCOL section 4 lists every legal move.
enum BatchStatus {
    None,
    Posted,
    Certified,
    Final,
    Rejected,
    RejectedNoFault,
    Reposted
}

/// What a model version is: only `Int` programs have one right output that a proof can decide.
enum ProgramKind {
    None,
    Float,
    Int
}
