// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ChannelStretch} from "./Batch.sol";
import {InferenceReceipt} from "./Receipt.sol";

/// What can be proved wrong about a pending header. Each kind's evidence is one of the structs below, ABI-encoded.
enum FaultKind {
    None, // the arbiter's own verdicts: not a fault
    BadSignature, // LeafProof: the signature is not the key's
    WrongNode, // LeafProof: the receipt names another node or key
    OutOfTime, // LeafProof: issued outside of the header's times
    BadOutcome, // LeafProof: unknown outcome, or an error that charges
    Order, // LeafPair of neighbours: not ascending, intervals overlap, or sequence does not rise
    StretchShape, // StretchProof: empty, ends before it begins, or leaves outside of the header
    StretchEnd, // EdgeProof: the stretch and its first or last receipt disagree
    StretchInside, // InsideProof: neighbours inside of one stretch that do not touch
    StretchLink, // StretchPair of neighbours: order, leaf range or running total do not continue
    StretchTotal, // StretchProof: the first does not start at zero, or the last does not end at the header's count and total
    Overlap, // OverlapProof: an earlier header of the node covers a part of the same interval
    WrongTerms, // TermsProof: the receipt's terms are another node's, ask for another mode or for a proof, or name another policy
    Overcharge, // TariffProof: more than the terms' tariff allows for the signed units
    Royalty, // TermsProof: the terms' royalty is not the model version's
    Unanswered, // a demand for data ran out
    WrongOutput // OutputProof: an `int` program's answer in words is not the one that a proof shows
}

/// A receipt at its place in a header's tree.
struct LeafProof {
    InferenceReceipt receipt;
    bytes signature;
    uint256 index;
    bytes32[] path;
}

/// A stretch at its place in a header's tree.
struct StretchProof {
    ChannelStretch stretch;
    uint256 index;
    bytes32[] path;
}
