// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Pages of a list, so that no read grows with the list
library Paging {
    uint256 internal constant MAX = 100;

    /// @param cursor Index to start at.
    /// @return ids At most `limit` entries.
    /// @return next Cursor of the next page, 0 at the end.
    function page(bytes32[] storage list, uint256 cursor, uint256 limit) internal view returns (bytes32[] memory ids, uint256 next) {
        uint256 length = list.length;
        if (cursor >= length || limit == 0) return (ids, 0);
        uint256 end = length - cursor < limit ? length : cursor + limit;
        ids = new bytes32[](end - cursor);
        for (uint256 i = cursor; i < end; ++i) ids[i - cursor] = list[i];
        next = end == length ? 0 : end;
    }
}
