// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchHeader, BatchLib} from "../types/Batch.sol";
import {LeafProof, StretchProof} from "../types/Faults.sol";
import {ReceiptLib} from "../types/Receipt.sol";
import {PositionalTree} from "./PositionalTree.sol";

/// @title Parts of a header's trees, shown to stand where they say
library Openings {
    /// The part does not open under the header's root.
    error OpeningMismatch(bytes32 root, bytes32 expected);

    /// @return digest Of the receipt.
    function receipt(BatchHeader memory header, LeafProof memory proof, bytes32 domain) internal pure returns (bytes32 digest) {
        digest = ReceiptLib.digest(proof.receipt, domain);
        bytes32 leaf = BatchLib.receiptLeaf(digest, proof.signature);
        _match(PositionalTree.rootOf(leaf, proof.index, header.count, proof.path), header.receiptsRoot);
    }

    function stretch(BatchHeader memory header, StretchProof memory proof) internal pure {
        bytes32 leaf = BatchLib.stretchLeaf(proof.stretch);
        _match(PositionalTree.rootOf(leaf, proof.index, header.channels, proof.path), header.channelsRoot);
    }

    function _match(bytes32 root, bytes32 expected) private pure {
        require(root == expected, OpeningMismatch(root, expected));
    }
}
