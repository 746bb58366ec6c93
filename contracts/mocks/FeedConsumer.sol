// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Answer, IDataFeeds} from "../interfaces/IDataFeeds.sol";

/// @title How a contract reads a feed
contract FeedConsumer {
    event Used(bytes32 indexed feedId, int256 value, uint64 updatedAt);

    IDataFeeds public immutable FEEDS;
    bytes32 public immutable FEED_ID;
    int256 public lastValue;

    constructor(IDataFeeds feeds, bytes32 feedId) {
        (FEEDS, FEED_ID) = (feeds, feedId);
    }

    /// @notice Takes the newest answer; reverts if it is older than `maxAge` seconds.
    function use(uint256 maxAge) external returns (int256 value) {
        Answer memory answer = FEEDS.readFresh(FEED_ID, maxAge);
        lastValue = value = answer.value;
        emit Used(FEED_ID, value, answer.updatedAt);
    }
}
