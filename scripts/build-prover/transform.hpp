// Polynomials over a domain of 2^k points and over its coset.
#pragma once

#include <vector>

#include "crew.hpp"
#include "field.hpp"

class Transform {
    using E = Fr::Element;
    uint64_t size;
    /// roots[h + j] is the j-th power of the primitive root of order 2h, for h = 1, 2, 4 ... size.
    std::vector<E> roots;
    E inverseSize;

public:
    /// `size` is a power of two, at least 2.
    Transform(uint64_t points, const Crew &crew) : size(points), roots(2 * points) {
        const E root = primitiveRoot(2 * size);
        crew.split(size, [&](uint64_t from, uint64_t to) {
            E power = Fr::one();
            for (int bit = 63; bit >= 0; bit--) {
                Fr::square(power, power);
                if (from >> bit & 1) Fr::mul(power, power, root);
            }
            for (uint64_t j = from; j < to; j++) {
                roots[size + j] = power;
                Fr::mul(power, power, root);
            }
        });
        for (uint64_t h = size >> 1; h > 0; h >>= 1) {
            for (uint64_t j = 0; j < h; j++) roots[h + j] = roots[2 * (h + j)];
        }
        E plain{{size, 0, 0, 0}};
        Fr::toMontgomery(plain, plain);
        Fr::inverse(inverseSize, plain);
    }

    /// Evaluations over the domain become evaluations over its coset: the roots of twice the order that are no roots of it. One thread.
    void toCoset(E *values) const {
        // To coefficients in bit-reversed order and back to values in their own: no permutation is needed.
        for (uint64_t h = size >> 1; h > 0; h >>= 1) {
            for (uint64_t block = 0; block < size; block += 2 * h) {
                E *low = values + block, *high = low + h;
                butterflyOut(low[0], high[0], nullptr);
                // The inverse of the j-th root is minus the (h - j)-th.
                for (uint64_t j = 1; j < h; j++) butterflyOut(low[j], high[j], &roots[2 * h - j]);
            }
        }
        int bits = 0;
        while ((uint64_t(1) << bits) < size) bits++;
        for (uint64_t i = 0; i < size; i++) {
            E factor;
            Fr::mul(factor, roots[size + reversed(i, bits)], inverseSize);
            Fr::mul(values[i], values[i], factor);
        }
        for (uint64_t h = 1; h < size; h <<= 1) {
            for (uint64_t block = 0; block < size; block += 2 * h) {
                E *low = values + block, *high = low + h;
                for (uint64_t j = 0; j < h; j++) {
                    E t;
                    Fr::mul(t, high[j], roots[h + j]);
                    const E u = low[j];
                    Fr::add(low[j], u, t);
                    Fr::sub(high[j], u, t);
                }
            }
        }
    }

private:
    static void butterflyOut(E &low, E &high, const E *minusRoot) {
        const E u = low, v = high;
        E difference;
        Fr::add(low, u, v);
        if (minusRoot) {
            Fr::sub(difference, v, u);
            Fr::mul(high, difference, *minusRoot);
        } else {
            Fr::sub(high, u, v);
        }
    }

    static uint64_t reversed(uint64_t i, int bits) {
        uint64_t r = __builtin_bswap64(i);
        r = (r >> 4 & 0x0f0f0f0f0f0f0f0f) | (r & 0x0f0f0f0f0f0f0f0f) << 4;
        r = (r >> 2 & 0x3333333333333333) | (r & 0x3333333333333333) << 2;
        r = (r >> 1 & 0x5555555555555555) | (r & 0x5555555555555555) << 1;
        return r >> (64 - bits);
    }

    /// The one that snarkjs takes: the smallest non-residue, 5, to the odd part of r - 1, squared down to `order`.
    static E primitiveRoot(uint64_t order) {
        constexpr int TWO_ADICITY = 28;
        uint64_t odd[4];
        for (int i = 0; i < 4; i++) odd[i] = FR_PRIME[i];
        odd[0] -= 1;
        for (int i = 0; i < 4; i++) odd[i] = odd[i] >> TWO_ADICITY | (i < 3 ? odd[i + 1] << (64 - TWO_ADICITY) : 0);
        E five{{5, 0, 0, 0}}, root = Fr::one();
        Fr::toMontgomery(five, five);
        for (int bit = 255; bit >= 0; bit--) {
            Fr::square(root, root);
            if (odd[bit >> 6] >> (bit & 63) & 1) Fr::mul(root, root, five);
        }
        for (uint64_t o = uint64_t(1) << TWO_ADICITY; o > order; o >>= 1) Fr::square(root, root);
        return root;
    }
};
