pragma circom 2.2.0;

/// Only size: a chain of squarings, for timing set-up.
///
/// @param rows  number of rows
/// @input x     private start
/// @output y    end of the chain
template Ladder(rows) {
    signal input x;
    signal output y;
    signal step[rows];

    step[0] <== x * x;
    for (var i = 1; i < rows; i++) step[i] <== step[i - 1] * step[i - 1] + x + i;
    y <== step[rows - 1];
}

component main = Ladder(16000);
