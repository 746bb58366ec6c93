pragma circom 2.1.0;

include "../../../../node_modules/circomlib-ml/circuits/Dense.circom";
include "../../../../node_modules/circomlib-ml/circuits/ReLU.circom";

/// 784-56-10 with the peer's layers, weights as private inputs, as its own examples have them.
template Network(inputs, hidden, outputs) {
    signal input in[inputs];
    signal input w1[inputs][hidden];
    signal input b1[hidden];
    signal input w2[hidden][outputs];
    signal input b2[outputs];
    signal output out[outputs];

    component first = Dense(inputs, hidden);
    first.in <== in;
    first.weights <== w1;
    first.bias <== b1;
    component second = Dense(hidden, outputs);
    component relu[hidden];
    for (var i = 0; i < hidden; i++) {
        relu[i] = ReLU();
        relu[i].in <== first.out[i];
        second.in[i] <== relu[i].out;
    }
    second.weights <== w2;
    second.bias <== b2;
    out <== second.out;
}

component main = Network(784, 56, 10);
