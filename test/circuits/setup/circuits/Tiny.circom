pragma circom 2.2.0;

/// A statement of the shape that settlement uses: "I know a, b below 2^bits with a * b = out and a + b = in", bound to ctx.
///
/// @param bits   width of a and b
/// @input ctx    binding to the request; no constraint mentions it, the set-up's own row binds it
/// @input in     a + b
/// @input out    a * b
/// @input a, b   private
template Tiny(bits) {
    signal input ctx;
    signal input in;
    signal input out;
    signal input a;
    signal input b;

    a * b === out;
    a + b === in;

    signal aBit[bits];
    signal bBit[bits];
    var aSum = 0;
    var bSum = 0;
    for (var i = 0; i < bits; i++) {
        aBit[i] <-- (a >> i) & 1;
        bBit[i] <-- (b >> i) & 1;
        aBit[i] * (aBit[i] - 1) === 0;
        bBit[i] * (bBit[i] - 1) === 0;
        aSum += aBit[i] * (1 << i);
        bSum += bBit[i] * (1 << i);
    }
    aSum === a;
    bSum === b;
}
