// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Slow, independent ECDSA over P-384, as an oracle for tests
/// @notice Shares nothing with the kernel: Jacobian coordinates, one bit at a time, numbers as byte strings, every product and inverse
/// through the MODEXP precompile. Some 10 M gas a signature.
contract P384Oracle {
    /// The precompile refused its input.
    error P384OracleModexpFailed();

    /// An integer below 2^384.
    struct Int {
        uint256 high;
        uint256 low;
    }

    /// Jacobian: (x / z^2, y / z^3); z = 0 is the point at infinity.
    struct Jacobian {
        Int x;
        Int y;
        Int z;
    }

    uint256 private constant HIGH = 0xffffffffffffffffffffffffffffffff;
    uint256 private constant P_LOW = 0xfffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff;
    uint256 private constant N_LOW = 0xffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973;

    /// @param input Qx | Qy | e | r | s, 48 bytes each.
    function verify(bytes calldata input) external view returns (bool) {
        Int memory p = Int(HIGH, P_LOW);
        Int memory n = Int(HIGH, N_LOW);
        Jacobian memory q = Jacobian(_read(input[0:48]), _read(input[48:96]), Int(0, 1));
        Int memory e = _read(input[96:144]);
        Int memory r = _read(input[144:192]);
        Int memory s = _read(input[192:240]);
        if (_zero(r) || _zero(s) || !_less(r, n) || !_less(s, n)) return false;
        if (!_less(q.x, p) || !_less(q.y, p) || !_onCurve(q.x, q.y, p)) return false;
        // s^(n - 2) modulo n
        Int memory w = _modexp(abi.encodePacked(_bytes(s)), abi.encodePacked(_bytes(Int(HIGH, N_LOW - 2))), n);
        Jacobian memory sum = _shamir(_mul(e, w, n), _mul(r, w, n), q, p);
        if (_zero(sum.z)) return false;
        // x = X / Z^2, against r modulo n
        Int memory inverse = _modexp(abi.encodePacked(_bytes(sum.z)), abi.encodePacked(_bytes(Int(HIGH, P_LOW - 2))), p);
        Int memory x = _mul(sum.x, _mul(inverse, inverse, p), p);
        Int memory reduced = _mul(x, Int(0, 1), n);
        return reduced.high == r.high && reduced.low == r.low;
    }

    function _onCurve(Int memory x, Int memory y, Int memory p) private view returns (bool) {
        Int memory b = Int(0xb3312fa7e23ee7e4988e056be3f82d19, 0x181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef);
        Int memory right = _add(_mul(_sub(_mul(x, x, p), Int(0, 3), p), x, p), b, p);
        Int memory left = _mul(y, y, p);
        return left.high == right.high && left.low == right.low;
    }

    function _shamir(Int memory u, Int memory v, Jacobian memory q, Int memory p) private view returns (Jacobian memory sum) {
        Jacobian memory g = Jacobian(
            Int(0xaa87ca22be8b05378eb1c71ef320ad74, 0x6e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7),
            Int(0x3617de4a96262c6f5d9e98bf9292dc29, 0xf8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f),
            Int(0, 1)
        );
        for (uint256 bit = 384; bit > 0; bit--) {
            uint256 free;
            assembly ("memory-safe") {
                free := mload(0x40)
            }
            Jacobian memory next = _double(sum, p);
            if (_bit(u, bit - 1)) next = _add(next, g, p);
            if (_bit(v, bit - 1)) next = _add(next, q, p);
            // Memory of a step is given back: what lives on is copied before it.
            (sum.x.high, sum.x.low, sum.y.high) = (next.x.high, next.x.low, next.y.high);
            (sum.y.low, sum.z.high, sum.z.low) = (next.y.low, next.z.high, next.z.low);
            assembly ("memory-safe") {
                mstore(0x40, free)
            }
        }
    }

    function _double(Jacobian memory a, Int memory p) private view returns (Jacobian memory) {
        if (_zero(a.z)) return a;
        // M = 3 (X - Z^2)(X + Z^2), S = 4 X Y^2, X' = M^2 - 2 S, Y' = M (S - X') - 8 Y^4, Z' = 2 Y Z
        Int memory zz = _mul(a.z, a.z, p);
        Int memory m = _mul(_mul(_sub(a.x, zz, p), _add(a.x, zz, p), p), Int(0, 3), p);
        Int memory yy = _mul(a.y, a.y, p);
        Int memory s = _mul(_mul(a.x, yy, p), Int(0, 4), p);
        Int memory x = _sub(_mul(m, m, p), _add(s, s, p), p);
        Int memory y = _sub(_mul(m, _sub(s, x, p), p), _mul(_mul(yy, yy, p), Int(0, 8), p), p);
        return Jacobian(x, y, _mul(_add(a.y, a.y, p), a.z, p));
    }

    function _add(Jacobian memory a, Jacobian memory b, Int memory p) private view returns (Jacobian memory) {
        // b is affine.
        if (_zero(a.z)) return b;
        Int memory zz = _mul(a.z, a.z, p);
        Int memory h = _sub(_mul(b.x, zz, p), a.x, p);
        Int memory r = _sub(_mul(b.y, _mul(zz, a.z, p), p), a.y, p);
        if (_zero(h)) return _zero(r) ? _double(a, p) : Jacobian(Int(0, 1), Int(0, 1), Int(0, 0));
        Int memory hh = _mul(h, h, p);
        Int memory hhh = _mul(hh, h, p);
        Int memory v = _mul(a.x, hh, p);
        Int memory x = _sub(_sub(_mul(r, r, p), hhh, p), _add(v, v, p), p);
        Int memory y = _sub(_mul(r, _sub(v, x, p), p), _mul(a.y, hhh, p), p);
        return Jacobian(x, y, _mul(a.z, h, p));
    }

    /// a b modulo m: the exact product in 96 bytes, raised to the power 1.
    function _mul(Int memory a, Int memory b, Int memory m) private view returns (Int memory) {
        (uint256 c0, uint256 c1) = _full(a.low, b.low);
        (uint256 d0, uint256 d1) = _full(a.low, b.high);
        (uint256 e0, uint256 e1) = _full(a.high, b.low);
        uint256 top = a.high * b.high + d1 + e1;
        uint256 middle;
        unchecked {
            middle = c1 + d0;
            if (middle < d0) top++;
            middle += e0;
            if (middle < e0) top++;
        }
        return _modexp(abi.encodePacked(top, middle, c0), hex"01", m);
    }

    function _full(uint256 a, uint256 b) private pure returns (uint256 low, uint256 high) {
        unchecked {
            uint256 residue = mulmod(a, b, type(uint256).max);
            low = a * b;
            high = residue - low;
            if (residue < low) high--;
        }
    }

    function _modexp(bytes memory base, bytes memory exponent, Int memory m) private view returns (Int memory) {
        bytes memory call = abi.encodePacked(base.length, exponent.length, uint256(48), base, exponent, _bytes(m));
        (bool success, bytes memory result) = address(5).staticcall(call);
        require(success && result.length == 48, P384OracleModexpFailed());
        return Int(uint128(bytes16(_slice(result, 0))), uint256(_slice(result, 16)));
    }

    function _slice(bytes memory data, uint256 at) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x20), at))
        }
    }

    function _add(Int memory a, Int memory b, Int memory m) private pure returns (Int memory c) {
        unchecked {
            c.low = a.low + b.low;
            c.high = a.high + b.high + (c.low < a.low ? 1 : 0);
        }
        return _less(c, m) ? c : _minus(c, m);
    }

    function _sub(Int memory a, Int memory b, Int memory m) private pure returns (Int memory) {
        return _less(a, b) ? _minus(_plus(a, m), b) : _minus(a, b);
    }

    function _plus(Int memory a, Int memory b) private pure returns (Int memory c) {
        unchecked {
            c.low = a.low + b.low;
            c.high = a.high + b.high + (c.low < a.low ? 1 : 0);
        }
    }

    function _minus(Int memory a, Int memory b) private pure returns (Int memory c) {
        unchecked {
            c.low = a.low - b.low;
            c.high = a.high - b.high - (a.low < b.low ? 1 : 0);
        }
    }

    function _less(Int memory a, Int memory b) private pure returns (bool) {
        return a.high < b.high || (a.high == b.high && a.low < b.low);
    }

    function _zero(Int memory a) private pure returns (bool) {
        return a.high == 0 && a.low == 0;
    }

    function _bit(Int memory a, uint256 i) private pure returns (bool) {
        return (i < 256 ? a.low >> i : a.high >> (i - 256)) & 1 == 1;
    }

    function _bytes(Int memory a) private pure returns (bytes memory) {
        return abi.encodePacked(uint128(a.high), a.low);
    }

    function _read(bytes calldata data) private pure returns (Int memory) {
        return Int(uint128(bytes16(data[0:16])), uint256(bytes32(data[16:48])));
    }
}
