pragma circom 2.2.0;

/// Wires whose points are equal in A and opposite in B: a sum that meets both has to double and to cancel.
template Alike(n) {
    signal input ctx;
    signal input u[n];
    signal input v[n];
    signal w[n];
    for (var i = 0; i < n; i++) {
        w[i] <== (u[i] + v[i]) * (u[i] - v[i]);
    }
}

component main {public [ctx]} = Alike(520);
