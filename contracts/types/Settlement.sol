// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchHeader} from "./Batch.sol";
import {BatchStatus} from "./Enums.sol";
import {InferenceReceipt} from "./Receipt.sol";
import {Terms} from "./Terms.sol";

/// Where a stretch's money stands; the rest of a ChannelStretch follows from the receipts.
struct StretchPlace {
    uint256 paymentChainId;
    address escrow;
}

/// One receipt of an individual settlement, with its evidence.
struct SettleItem {
    InferenceReceipt receipt;
    bytes signature; // the key epoch's, over the receipt's digest
    uint16 terms; // index into `terms` of the call: the preimage of receipt.termsHash
    bytes proof; // Groth16; empty unless the terms ask for Zkml or TeeAndZkml
    uint256[] publicInputs; // the first is `proofContext`
}

/// A whole individual settlement.
struct Settlement {
    BatchHeader header;
    bytes signature; // the key epoch's, over the header's digest
    Terms[] terms; // those that the items refer to
    StretchPlace[] places; // one for each stretch, in order
    SettleItem[] items; // header.count of them
    bool fullBond; // as in postBatch; matters only for a header with vanilla receipts
}

/// What the chain keeps of a header.
struct Batch {
    BatchStatus status;
    bool fullBond; // lock is 2 x totalCharge instead of a tenth
    uint40 postedAt; // seconds; of a Rejected header: when it was rejected
    uint40 postedBlock;
    uint32 committeeEpoch; // of its certificate
    uint64 signers; // of its certificate; bit i is member i
    uint8 openDemands;
    uint8 totalDemands;
    uint32 extension; // seconds that demands and freezes added to the window
    bool hiddenFault; // rejected for what its checkers could not see
}

/// Constructor parameters; inequalities of PROTOCOL section 9 are checked there. Times in seconds.
struct SettlementParams {
    uint64 window; // W
    uint64 windowBlocks; // both clocks must have run
    uint64 responseTime; // T_resp
    uint64 repostTime; // T_repost
    uint64 maxAge; // MAX_AGE
    uint64 certTime; // T_cert: an under-bonded header without LeafCheck is void after this
    uint64 slotLife; // how long a numbered slot keeps its header, from postedAt
    uint96 minLock; // B_min
    uint96 bondPerCharge; // units of the bond token that stand for one unit of charge: 1e12 for 18 against 6 decimals
}
