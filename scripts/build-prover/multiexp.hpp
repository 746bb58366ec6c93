// Sums of multiples of the points of a key.
//
// Witnesses of our circuits are mostly zeros and ones, then small numbers of either sign; a few fill the field. So what is past
// the middle of the field is taken as the negative that it stands for, windows of digits are as wide as the number of scalars that
// reach them makes best, and a window is looked up only for those. Points of one bucket are added in pairs, all pairs of
// a round sharing one inversion: six multiplications an addition.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "curve.hpp"

template <typename G>
class Multiexp {
    using F = typename G::Field;
    using E = typename G::E;
    using Affine = typename G::Affine;
    using Point = typename G::Point;

    struct Scalar {
        /// Its absolute value plus the offset that makes all digits positive.
        uint64_t v[4];
        uint32_t index;
        uint32_t negative;
    };
    struct Window {
        unsigned start, width;
        /// Scalars that reach it: the first ones.
        size_t count;
    };

    /// Pairs that share an inversion.
    static constexpr size_t BLOCK = 512;
    /// Points that are fetched before they are needed: buckets take them from all over the key.
    static constexpr size_t AHEAD = 24;
    static constexpr unsigned MAX_WIDTH = 16;
    /// Of a scalar below r / 2.
    static constexpr unsigned MAX_BITS = 253;
    /// Multiplications for a digit, and for a bucket at the end.
    static constexpr double DIGIT_COST = 6.5, BUCKET_COST = 25;

    const uint8_t *points;
    std::vector<Scalar> scalars;
    std::vector<Window> windows;
    std::vector<Point> sums;

public:
    /// `values`: `count` plain scalars below r of 32 bytes, one for each point.
    Multiexp(const uint8_t *bases, const uint8_t *values, size_t count) : points(bases) {
        size_t ofLength[MAX_BITS + 2] = {};
        std::vector<uint8_t> lengths;
        for (size_t i = 0; i < count; i++) {
            Scalar scalar;
            memcpy(scalar.v, values + 32 * i, 32);
            if ((scalar.v[0] | scalar.v[1] | scalar.v[2] | scalar.v[3]) == 0 || G::isZero(point(i))) continue;
            scalar.index = uint32_t(i);
            scalar.negative = absolute(scalar.v);
            const unsigned length = bits(scalar.v);
            ofLength[length]++;
            lengths.push_back(uint8_t(length));
            scalars.push_back(scalar);
        }
        sortByLength(lengths, ofLength);
        plan(ofLength);
        uint64_t offset[4] = {};
        for (const Window &w : windows) setBit(offset, w.start + w.width - 1);
        for (Scalar &scalar : scalars) addTo(scalar.v, offset);
        sums.resize(windows.size());
    }

    size_t parts() const { return windows.size(); }

    /// Any thread may do any part; all have to be done before `total`.
    void sumPart(size_t part) { sums[part] = sumWindow(windows[part]); }

    Point total() const {
        Point result = G::zero();
        for (size_t i = windows.size(); i-- > 0;) {
            // The sums stand at the windows' starts.
            G::add(result, result, sums[i]);
            const unsigned down = i > 0 ? windows[i - 1].width : 0;
            for (unsigned k = 0; k < down; k++) G::twice(result, result);
        }
        return result;
    }

private:
    Affine point(size_t i) const {
        Affine p;
        memcpy(&p, points + i * sizeof(Affine), sizeof p);
        return p;
    }

    /// Longest first.
    void sortByLength(const std::vector<uint8_t> &lengths, const size_t *ofLength) {
        size_t next[MAX_BITS + 2], at = 0;
        for (int length = MAX_BITS + 1; length >= 0; length--) {
            next[length] = at;
            at += ofLength[length];
        }
        std::vector<Scalar> sorted(scalars.size());
        for (size_t i = 0; i < scalars.size(); i++) sorted[next[lengths[i]]++] = scalars[i];
        scalars = std::move(sorted);
    }

    /// The offset carries a scalar of `length` bits at most one bit further, so its digits are zero in windows that start past
    /// `length` + 1.
    void plan(const size_t *ofLength) {
        size_t reached[MAX_BITS + 3] = {};
        for (int start = MAX_BITS + 1; start >= 0; start--) reached[start] = reached[start + 1] + ofLength[start];
        const auto reach = [&](unsigned start) { return reached[start > 0 ? start - 1 : 0]; };
        for (unsigned start = 0; start <= MAX_BITS + 1 && reach(start) > 0;) {
            const double count = double(reach(start));
            unsigned best = 2;
            double least = -1;
            for (unsigned width = 2; width <= MAX_WIDTH && start + width <= 256; width++) {
                const double cost = (DIGIT_COST * count + BUCKET_COST * double(1u << (width - 1))) / width;
                if (least < 0 || cost < least) {
                    least = cost;
                    best = width;
                }
            }
            windows.push_back({start, best, reach(start)});
            start += best;
        }
    }

    Point sumWindow(const Window &w) const {
        const uint32_t half = 1u << (w.width - 1);
        // From -half to half - 1; buckets are 1 to half.
        std::vector<int32_t> digits(w.count);
        std::vector<uint32_t> sizes(half + 1), next(half + 1);
        for (size_t i = 0; i < w.count; i++) {
            const int32_t digit = int32_t(extract(scalars[i].v, w.start, w.width)) - int32_t(half);
            digits[i] = scalars[i].negative ? -digit : digit;
            sizes[size_t(digit < 0 ? -digit : digit)]++;
        }
        sizes[0] = 0;
        uint32_t total = 0;
        for (uint32_t b = 1; b <= half; b++) {
            next[b] = total;
            total += sizes[b];
        }
        std::vector<uint32_t> order(total + AHEAD);
        for (size_t i = 0; i < w.count; i++) {
            const int32_t digit = digits[i];
            if (digit > 0) order[next[size_t(digit)]++] = scalars[i].index << 1;
            if (digit < 0) order[next[size_t(-digit)]++] = scalars[i].index << 1 | 1;
        }
        size_t pairs = 0;
        for (uint32_t size : sizes) pairs += (size + 1) >> 1;
        const std::unique_ptr<Affine[]> buckets(new Affine[pairs]);
        Round round;
        round.run(sizes, buckets.get(), [&](size_t i) {
            const uint8_t *soon = points + (order[i + AHEAD] >> 1) * sizeof(Affine);
            __builtin_prefetch(soon);
            __builtin_prefetch(soon + sizeof(Affine) - 1);
            Affine p = point(order[i] >> 1);
            if (order[i] & 1) F::neg(p.y, p.y);
            return p;
        });
        while (*std::max_element(sizes.begin(), sizes.end()) > 1) {
            round.run(sizes, buckets.get(), [&](size_t i) { return buckets[i]; });
        }
        // The bucket of b counts b times: once in each of the b running sums that it is part of.
        Point running = G::zero(), result = G::zero();
        size_t at = 0;
        for (uint32_t b = 1; b <= half; b++) at += sizes[b];
        for (uint32_t b = half; b > 0; b--) {
            if (sizes[b] > 0) G::add(running, running, buckets[--at]);
            G::add(result, result, running);
        }
        return result;
    }

    /// Adds the points of each bucket in pairs, halving their number.
    struct Round {
        struct Pair {
            Affine p, q;
            /// What the slope is divided by, and the product of those before it.
            E divisor, before;
            size_t to;
        };
        std::vector<Pair> pairs = std::vector<Pair>(BLOCK);
        size_t used = 0;
        E product;

        /// Points are loaded in order of their buckets, and stored to `out` in that order. `out` may be what `load` reads.
        template <typename Load>
        void run(std::vector<uint32_t> &sizes, Affine *out, Load load) {
            size_t from = 0, to = 0;
            for (uint32_t &size : sizes) {
                for (uint32_t k = 0; k + 1 < size; k += 2) {
                    put(load(from + k), load(from + k + 1), out, to++);
                    if (used == BLOCK) flush(out);
                }
                if (size & 1) out[to++] = load(from + size - 1);
                from += size;
                size = (size + 1) >> 1;
            }
            flush(out);
        }

        void put(const Affine &p, const Affine &q, Affine *out, size_t to) {
            if (G::isZero(p) || G::isZero(q)) {
                out[to] = G::isZero(p) ? q : p;
                return;
            }
            E divisor;
            F::sub(divisor, q.x, p.x);
            if (F::isZero(divisor)) {
                F::add(divisor, p.y, q.y);
                // Opposite points: their sum is infinity. Equal ones: the divisor is twice their y, which is not zero in a group of odd order.
                if (F::isZero(divisor)) {
                    out[to] = {};
                    return;
                }
            }
            Pair &pair = pairs[used];
            pair.p = p;
            pair.q = q;
            pair.divisor = divisor;
            pair.to = to;
            if (used == 0) {
                product = divisor;
            } else {
                pair.before = product;
                F::mul(product, product, divisor);
            }
            used++;
        }

        void flush(Affine *out) {
            if (used == 0) return;
            E inverse;
            F::inverse(inverse, product);
            for (size_t i = used; i-- > 0;) {
                const Pair &pair = pairs[i];
                E slope, t;
                if (i > 0) {
                    F::mul(t, inverse, pair.before);
                    F::mul(inverse, inverse, pair.divisor);
                } else {
                    t = inverse;
                }
                if (F::equal(pair.p.x, pair.q.x)) {
                    E square;
                    F::square(square, pair.p.x);
                    F::add(slope, square, square);
                    F::add(slope, slope, square);
                } else {
                    F::sub(slope, pair.q.y, pair.p.y);
                }
                F::mul(slope, slope, t);
                Affine sum;
                F::square(sum.x, slope);
                F::sub(sum.x, sum.x, pair.p.x);
                F::sub(sum.x, sum.x, pair.q.x);
                F::sub(t, pair.p.x, sum.x);
                F::mul(sum.y, slope, t);
                F::sub(sum.y, sum.y, pair.p.y);
                out[pair.to] = sum;
            }
            used = 0;
        }
    };

    /// Replaces what is past r / 2 by r minus it, and says so.
    static uint32_t absolute(uint64_t *v) {
        uint64_t d[4];
        uint64_t borrow = 0;
        for (int i = 0; i < 4; i++) {
            const unsigned __int128 t = (unsigned __int128)FR_PRIME[i] - v[i] - borrow;
            d[i] = uint64_t(t);
            borrow = uint64_t(t >> 64) & 1;
        }
        for (int i = 3; i >= 0; i--) {
            if (d[i] == v[i]) continue;
            if (d[i] > v[i]) return 0;
            memcpy(v, d, sizeof d);
            return 1;
        }
        return 0;
    }

    static unsigned bits(const uint64_t *v) {
        for (int i = 3; i >= 0; i--) {
            if (v[i] != 0) return unsigned(64 * i + 64 - __builtin_clzll(v[i]));
        }
        return 0;
    }

    static void setBit(uint64_t *v, unsigned bit) {
        v[bit >> 6] |= uint64_t(1) << (bit & 63);
    }

    static void addTo(uint64_t *v, const uint64_t *other) {
        unsigned __int128 carry = 0;
        for (int i = 0; i < 4; i++) {
            carry += (unsigned __int128)v[i] + other[i];
            v[i] = uint64_t(carry);
            carry >>= 64;
        }
    }

    static uint32_t extract(const uint64_t *v, unsigned start, unsigned width) {
        const unsigned word = start >> 6, shift = start & 63;
        uint64_t value = v[word] >> shift;
        if (shift + width > 64 && word < 3) value |= v[word + 1] << (64 - shift);
        return uint32_t(value & ((uint64_t(1) << width) - 1));
    }
};
