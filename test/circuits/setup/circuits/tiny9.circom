pragma circom 2.2.0;

include "Tiny.circom";

component main {public [ctx, in, out]} = Tiny(9);
