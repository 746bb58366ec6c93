pragma circom 2.1.0;

include "../../../../node_modules/circomlib-ml/circuits/Conv2D.circom";
include "../../../../node_modules/circomlib-ml/circuits/ReLU.circom";

/// One 3x3 convolution with ReLU over 8x8, two filters, weights as private inputs.
template Network(size, filters, kernel) {
    var side = size - kernel + 1;
    signal input in[size][size][1];
    signal input w[kernel][kernel][1][filters];
    signal input b[filters];
    signal output out[side][side][filters];

    component conv = Conv2D(size, size, 1, filters, kernel, 1);
    conv.in <== in;
    conv.weights <== w;
    conv.bias <== b;
    component relu[side][side][filters];
    for (var i = 0; i < side; i++) {
        for (var j = 0; j < side; j++) {
            for (var k = 0; k < filters; k++) {
                relu[i][j][k] = ReLU();
                relu[i][j][k].in <== conv.out[i][j][k];
                out[i][j][k] <== relu[i][j][k].out;
            }
        }
    }
}

component main = Network(8, 2, 3);
