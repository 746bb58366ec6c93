// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// What a feed is: its hash is its id, so that nothing of it can change.
struct FeedDefinition {
    string name; // e.g. "ETH/USD"
    string[] sources; // URLs, with a JSON pointer after '#'
    bytes32[] tlsPins; // SHA-256 of the root or SPKI for each source; 0 for the public roots of the image
    uint32 period; // seconds a round
    uint8 decimals;
    uint8 minOperators; // observations that a round needs, one per operator
    bytes32 policyId; // image policy of the observers
    uint16 maxDeviationBps; // an observation farther from the median does not count; 0 for no limit
    uint32 maxAge; // seconds; how old an answer `latest` still calls fresh
}

/// What a data node saw. Signed by its attested key; the domain's contract is DataFeeds.
struct Observation {
    bytes32 feedId;
    uint64 round; // observedAt / period
    bytes32 nodeId;
    bytes32 keyId;
    int256 value;
    uint64 observedAt; // seconds
    bytes32 evidenceHash; // of what the sources answered
    bytes32 salt; // hides the value until it is revealed
}

/// @title Feed hashing
library FeedLib {
    bytes32 internal constant OBSERVATION_TYPEHASH = keccak256(
        "Observation(bytes32 feedId,uint64 round,bytes32 nodeId,bytes32 keyId,int256 value,uint64 observedAt,bytes32 evidenceHash,bytes32 salt)"
    );

    /// @notice A feed's id.
    function feedId(FeedDefinition memory definition) internal pure returns (bytes32) {
        return keccak256(abi.encode(definition));
    }

    /// @notice EIP-712 digest: what the node's key signs and what it commits to.
    function digest(Observation memory observation, bytes32 domainSeparator) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domainSeparator, keccak256(abi.encode(OBSERVATION_TYPEHASH, observation))));
    }
}
