pragma circom 2.2.0;

/// A universal circuit in miniature: a "model" of n packed weight words, out = sum w_j x^(j + 2), in = x^2.
///
/// @param n    weight words
/// @input w    public, behind ctx, in, out; folded into the key for one model
/// @input x    private
template Universal(n) {
    signal input ctx;
    signal input in;
    signal input out;
    signal input w[n];
    signal input x;
    signal power[n];
    signal term[n];

    in === x * x;
    var sum = 0;
    for (var j = 0; j < n; j++) {
        if (j == 0) power[j] <== x * x;
        else power[j] <== power[j - 1] * x;
        term[j] <== w[j] * power[j];
        sum += term[j];
    }
    sum === out;
}

component main {public [ctx, in, out, w]} = Universal(70);
