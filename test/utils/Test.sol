// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// What the test runner's cheatcode address understands; only what these tests use.
interface Vm {
    function prank(address caller) external;
    function startPrank(address caller) external;
    function stopPrank() external;
    function warp(uint256 timestamp) external;
    function roll(uint256 blockNumber) external;
    function deal(address account, uint256 balance) external;
    function etch(address account, bytes calldata code) external;
    function assume(bool condition) external;
    function expectRevert(bytes calldata data) external;
    function expectRevert(bytes4 selector) external;
    function expectRevert() external;
    function expectEmit() external;
    function sign(uint256 privateKey, bytes32 digest) external returns (uint8 v, bytes32 r, bytes32 s);
    function addr(uint256 privateKey) external returns (address);
    function label(address account, string calldata name) external;
    function readFile(string calldata path) external view returns (string memory);
}

/// @title Base of Solidity tests: a few assertions, bounds for fuzzing, targets for invariant runs
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error AssertionFailed(string what, uint256 left, uint256 right);

    address[] private _targets;

    /// @dev The runner calls these contracts at random in invariant tests.
    function targetContract(address target) internal {
        _targets.push(target);
    }

    function targetContracts() public view returns (address[] memory) {
        return _targets;
    }

    function assertTrue(bool condition, string memory what) internal pure {
        require(condition, AssertionFailed(what, 0, 1));
    }

    function assertEq(uint256 left, uint256 right, string memory what) internal pure {
        require(left == right, AssertionFailed(what, left, right));
    }

    function assertEq(bytes32 left, bytes32 right, string memory what) internal pure {
        require(left == right, AssertionFailed(what, uint256(left), uint256(right)));
    }

    function assertEq(address left, address right, string memory what) internal pure {
        require(left == right, AssertionFailed(what, uint160(left), uint160(right)));
    }

    function assertLe(uint256 left, uint256 right, string memory what) internal pure {
        require(left <= right, AssertionFailed(what, left, right));
    }

    function assertGe(uint256 left, uint256 right, string memory what) internal pure {
        require(left >= right, AssertionFailed(what, left, right));
    }

    /// @return A value in [low, high] that depends on every bit of `value`.
    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        uint256 span = high - low;
        return span == type(uint256).max ? value : low + (value % (span + 1));
    }
}
