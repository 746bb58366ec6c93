pragma circom 2.1.0;

// A program with one right answer: out = in * in.
template Square() {
    signal input ctx;
    signal input in;
    signal input out;
    signal bound; // keeps ctx in a row of its own

    out === in * in;
    bound <== ctx * ctx;
}

component main {public [ctx, in, out]} = Square();
