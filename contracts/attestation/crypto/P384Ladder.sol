// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

// The rule does not see uses in assembly.
// solhint-disable no-unused-import

import {IP384} from "../../interfaces/IP384.sol";
import {P384Field} from "./P384Field.sol";
import {P384Group} from "./P384Group.sol";
import {
    ACC_U0,
    ACC_U1,
    ACC_UM,
    ACC_V0,
    ACC_V1,
    ACC_VM,
    RECORD_DIGIT,
    RECORD_SCALAR,
    RECORD_SIZE,
    SCALARS,
    SCALAR_SIZE,
    T_U0,
    T_U1,
    T_UM,
    T_Y0,
    T_Y1,
    T_YM,
    TABLE
} from "./P384Layout.sol";

/// @title The ladder of a P-384 verification: tables, program, and the count of what was summed
/// @dev PROGRAM. A step is a header of two bytes and its slopes:
///     bits 12-15  plain doublings first
///     bits 10-11  then 0 add T, 1 double and add T in one, 2 or 3 close with T
///     bits 0-9    T: 32 j + 2 i is (2i+1) Q_j, 32 j + 16 + 2 i is (2i+1) R_j, 512 + 2 i is (2i+1) G, 768 + 2 i is (2i+1) 2^192 G;
///                 one more is its negative. 511 is no point: the step, of kind 0, ends with its doublings.
/// The first header only loads T. Whatever is added at position q counts 2^q times, so the program cannot claim another sum than it made.
library P384Ladder {
    uint256 private constant ADD = 0;
    uint256 private constant FUSED = 1;
    /// First index of the generator's multiples, and the index of no point.
    uint256 private constant GENERATOR = 512;
    uint256 private constant NOTHING = 511;
    uint256 private constant P0 = 0xfffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff;
    uint256 private constant TOP = 0xffffffffffffffffffffffffffffffff;
    uint256 private constant N0 = 0xffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973;
    /// Three words of 128 positions each in a scalar.
    uint256 private constant POSITIONS = 384;

    /// @dev An account whose code is `data`. It starts with 0x55 (SSTORE on an empty stack): calling it fails, so it stays as it is.
    function deployTable(bytes memory data) internal returns (address table) {
        // PUSH2 size DUP1 PUSH1 10 PUSH0 CODECOPY PUSH0 RETURN
        bytes memory init = abi.encodePacked(hex"61", uint16(data.length), hex"80600a5f395ff3", data);
        assembly {
            table := create(0, add(init, 0x20), mload(init))
        }
        require(table.code.length == data.length, IP384.P384TableUnknown(table.codehash));
    }

    /// @dev Checks the public numbers of signature j and builds the tables of its Q and R.
    function tables(uint256 j, uint256 sig, uint256 commitment, uint256 ptr) internal pure returns (uint256) {
        unchecked {
            uint256 record = TABLE + j * 32 * RECORD_SIZE;
            uint256 scalar = SCALARS + (2 + 2 * j) * SCALAR_SIZE;
            (uint256 x0, uint256 x1) = _load(sig);
            (uint256 y0, uint256 y1) = _load(sig + 48);
            require(P384Field.onCurve(x0, x1, y0, y1), IP384.P384KeyNotOnCurve(j)); // check: key-on-curve
            ptr = _table(record, scalar, ptr, x0, x1, y0, y1);

            (x0, x1) = _load(sig + 192);
            require(_inRange(x0, x1), IP384.P384ScalarOutOfRange(j)); // check: s-range
            (x0, x1) = _load(sig + 144);
            require(_inRange(x0, x1), IP384.P384ScalarOutOfRange(j)); // check: r-range
            (y0, y1) = _load(commitment);
            assembly {
                if byte(0, calldataload(add(commitment, 48))) {
                    // x = r + n; `onCurve` requires it to be below p
                    x0 := add(x0, N0)
                    x1 := add(add(x1, TOP), lt(x0, N0))
                }
            }
            require(P384Field.onCurve(x0, x1, y0, y1), IP384.P384NonceNotOnCurve(j)); // check: nonce-on-curve
            return _table(record + 16 * RECORD_SIZE, scalar + SCALAR_SIZE, ptr, x0, x1, y0, y1);
        }
    }

    /// @dev Runs the program. Behind it: the sum of all that was counted is the point at infinity.
    /// The position only falls. Below 0 it wraps to a number that never comes back to 0 and that addresses no scalar.
    function run(uint256 ptr, uint256 position, uint256 count, address tableG) internal view returns (uint256) {
        unchecked {
            require(position < POSITIONS, IP384.P384StepMalformed(ptr)); // check: start
            count = 32 * count; // records in memory
            ptr = _first(ptr, position, count, tableG);
            while (true) {
                uint256 index;
                uint256 kind;
                assembly {
                    kind := shr(240, calldataload(ptr))
                    ptr := add(ptr, 2)
                    index := shr(12, kind) // doublings, for now
                    position := sub(position, add(index, eq(and(shr(10, kind), 3), FUSED)))
                }
                if (index != 0) ptr = P384Group.double(ptr, index);
                assembly {
                    index := and(kind, 1023)
                    kind := and(shr(10, kind), 3)
                }
                // T := the record, counted at this position
                if (index < count) { // check: index
                    // as _takeRecord, in line
                    assembly {
                        let record := add(TABLE, mul(index, RECORD_SIZE))
                        mcopy(T_U0, record, RECORD_DIGIT)
                        let scalar := add(mload(add(record, RECORD_SCALAR)), shl(5, shr(7, position)))
                        mstore(scalar, add(mload(scalar), shl(and(position, 127), mload(add(record, RECORD_DIGIT)))))
                    }
                } else if (index >= GENERATOR) {
                    _takeGenerator(index, position, tableG);
                } else {
                    require(index == NOTHING, IP384.P384StepMalformed(ptr));
                    // a double-and-add without its addition would lower the position without doubling
                    require(kind == ADD, IP384.P384StepMalformed(ptr)); // check: nothing
                    continue;
                }
                if (kind == FUSED) {
                    ptr = P384Group.doubleAdd(ptr);
                } else if (kind == ADD) {
                    ptr = P384Group.add(ptr);
                } else {
                    break;
                }
            }
            require(_closes(), IP384.P384NotClosed()); // check: closing
            require(position == 0, IP384.P384PositionLeft(position)); // check: position
            return ptr;
        }
    }

    /// @dev How often point i was counted: a signed integer of two words. No word of a scalar can wrap: an addition puts less than
    /// 2^135 into one, and 2^119 additions do not fit a transaction.
    function multiple(uint256 i) internal pure returns (uint256 a0, uint256 a1) {
        assembly {
            let at := add(SCALARS, mul(i, SCALAR_SIZE))
            let low := mload(at)
            let middle := mload(add(at, 0x20))
            a0 := add(shl(128, middle), low)
            a1 := add(add(mload(add(at, 0x40)), sar(128, middle)), add(sar(255, low), lt(a0, low)))
        }
    }

    /// @dev A signed integer below 2^383 in magnitude, modulo n.
    function modN(uint256 a0, uint256 a1) internal pure returns (uint256, uint256) {
        unchecked {
            require((a1 + (1 << 127)) >> 128 == 0, IP384.P384ScalarTooLong()); // check: magnitude
            if (a1 >> 255 == 0) return (a0, a1);
            uint256 b0 = a0 + N0;
            return (b0, a1 + TOP + (b0 < a0 ? 1 : 0));
        }
    }

    /// @dev Running point := the point that the first header names, counted.
    function _first(uint256 ptr, uint256 position, uint256 limit, address tableG) private view returns (uint256) {
        unchecked {
            uint256 index;
            assembly {
                index := and(shr(240, calldataload(ptr)), 1023)
            }
            if (index >= GENERATOR) {
                _takeGenerator(index, position, tableG);
            } else {
                require(index < limit, IP384.P384StepMalformed(ptr)); // check: first-index
                _takeRecord(index, position);
            }
            (uint256 v0, uint256 v1) = _minusY(T_Y0);
            assembly {
                mcopy(ACC_U0, T_U0, 0x60)
                mstore(ACC_V0, v0)
                mstore(ACC_V1, v1)
                mstore(ACC_VM, addmod(v0, v1, not(0)))
            }
            return ptr + 2;
        }
    }

    /// @dev T := a record of the tables in memory, counted: its scalar += digit 2^position.
    function _takeRecord(uint256 index, uint256 position) private pure {
        assembly {
            let record := add(TABLE, mul(index, RECORD_SIZE))
            mcopy(T_U0, record, RECORD_DIGIT)
            let scalar := add(mload(add(record, RECORD_SCALAR)), shl(5, shr(7, position)))
            mstore(scalar, add(mload(scalar), shl(and(position, 127), mload(add(record, RECORD_DIGIT)))))
        }
    }

    /// @dev T := a multiple of the generator, 512 <= index < 1024, counted. The account stores its u = -x and y in 96 bytes.
    function _takeGenerator(uint256 index, uint256 position, address tableG) private view {
        assembly {
            extcodecopy(tableG, T_U0, mul(and(shr(1, index), 255), 96), 96)
            let y0 := mload(add(T_U0, 0x40))
            let y1 := shr(128, mload(add(T_U0, 0x30)))
            let u0 := mload(add(T_U0, 0x10))
            let u1 := shr(128, mload(T_U0))
            mstore(T_U0, u0)
            mstore(T_U1, u1)
            mstore(T_UM, addmod(u0, u1, not(0)))
            let digit := or(and(index, 254), 1)
            if and(index, 1) {
                digit := sub(0, digit)
                // y := p - y
                y1 := sub(sub(TOP, y1), gt(y0, P0))
                y0 := sub(P0, y0)
            }
            mstore(T_Y0, y0)
            mstore(T_Y1, y1)
            mstore(T_YM, addmod(y0, y1, not(0)))
            let scalar := add(add(SCALARS, mul(SCALAR_SIZE, and(shr(8, index), 1))), shl(5, shr(7, position)))
            mstore(scalar, add(mload(scalar), shl(and(position, 127), digit)))
        }
    }

    /// @dev Records of the odd multiples 1 .. 15 of a point, by one tangent and seven chords.
    function _table(uint256 record, uint256 scalar, uint256 ptr, uint256 x0, uint256 x1, uint256 y0, uint256 y1)
        private
        pure
        returns (uint256)
    {
        unchecked {
            (x0, x1) = _negate(x0, x1);
            (y0, y1) = _negate(y0, y1);
            assembly {
                mstore(ACC_U0, x0)
                mstore(ACC_U1, x1)
                mstore(ACC_UM, addmod(x0, x1, not(0)))
                mstore(ACC_V0, y0)
                mstore(ACC_V1, y1)
                mstore(ACC_VM, addmod(y0, y1, not(0)))
            }
            _store(record, 1, scalar);
            ptr = P384Group.double(ptr, 1);
            // 3 Q = 2 Q + Q, and 2 Q takes the place of the second pair until it has become the T of all others
            assembly {
                mcopy(T_U0, record, RECORD_DIGIT)
            }
            record += 2 * RECORD_SIZE;
            _store(record, 2, scalar);
            ptr = P384Group.add(ptr);
            assembly {
                mcopy(T_U0, record, RECORD_DIGIT)
            }
            _store(record, 3, scalar);
            for (uint256 digit = 5; digit < 16; digit += 2) {
                ptr = P384Group.add(ptr);
                record += 2 * RECORD_SIZE;
                _store(record, digit, scalar);
            }
            return ptr;
        }
    }

    /// @dev The running point and its negative as two records.
    function _store(uint256 record, uint256 digit, uint256 scalar) private pure {
        (uint256 y0, uint256 y1) = _minusY(ACC_V0);
        assembly {
            mcopy(record, ACC_U0, 0x60)
            mstore(add(record, 0x60), y0)
            mstore(add(record, 0x80), y1)
            mstore(add(record, 0xa0), addmod(y0, y1, not(0)))
            mstore(add(record, RECORD_DIGIT), digit)
            mstore(add(record, RECORD_SCALAR), scalar)
            // the negative's y is -y = v
            record := add(record, RECORD_SIZE)
            mcopy(record, ACC_U0, 0xc0)
            mstore(add(record, RECORD_DIGIT), sub(0, digit))
            mstore(add(record, RECORD_SCALAR), scalar)
        }
    }

    /// @dev Running point = -T: same u, and v = -y equal to T's y. All four are canonical.
    function _closes() private pure returns (bool yes) {
        assembly {
            let differ := or(xor(mload(ACC_U0), mload(T_U0)), xor(mload(ACC_U1), mload(T_U1)))
            differ := or(differ, xor(mload(ACC_V0), mload(T_Y0)))
            yes := iszero(or(differ, xor(mload(ACC_V1), mload(T_Y1))))
        }
    }

    /// @dev p - y for the canonical y at this address. No point of the curve has y = 0 (its order is odd), so the result is canonical.
    function _minusY(uint256 at) private pure returns (uint256 v0, uint256 v1) {
        assembly {
            let y0 := mload(at)
            v0 := sub(P0, y0)
            v1 := sub(sub(TOP, mload(add(at, 0x20))), gt(y0, P0))
        }
    }

    /// @dev -a modulo p for a canonical a.
    function _negate(uint256 a0, uint256 a1) private pure returns (uint256, uint256) {
        unchecked {
            if (a0 | a1 == 0) return (0, 0);
            return (P0 - a0, TOP - a1 - (a0 > P0 ? 1 : 0));
        }
    }

    /// @dev In [1, n - 1].
    function _inRange(uint256 a0, uint256 a1) private pure returns (bool) {
        return a0 | a1 != 0 && P384Field.less(a0, a1, N0);
    }

    function _load(uint256 at) private pure returns (uint256 a0, uint256 a1) {
        assembly {
            a1 := shr(128, calldataload(at))
            a0 := calldataload(add(at, 16))
        }
    }
}
