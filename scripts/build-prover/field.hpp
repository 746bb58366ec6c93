// Fields over ffiasm's multiplication. Additions are inlined and without branches: their conditions are coin tosses, which a
// processor predicts badly.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "fq.hpp"
#include "fr.hpp"

/// A prime field of four words, Montgomery form; `Raw` is ffiasm's class for it, `Q` its prime.
template <typename Raw, const uint64_t *Q, void (*MUL)(uint64_t *, const uint64_t *, const uint64_t *), void (*SQUARE)(uint64_t *, const uint64_t *)>
struct PrimeField {
    struct Element {
        uint64_t v[4];
    };

    static void add(Element &r, const Element &a, const Element &b) {
        unsigned long long s[4];
        unsigned char carry = 0;
        for (int i = 0; i < 4; i++) carry = _addcarry_u64(carry, a.v[i], b.v[i], &s[i]);
        // Twice the prime is below 2^256: no carry is left.
        reduceOnce(r, s);
    }

    static void sub(Element &r, const Element &a, const Element &b) {
        unsigned long long d[4];
        unsigned char borrow = 0;
        for (int i = 0; i < 4; i++) borrow = _subborrow_u64(borrow, a.v[i], b.v[i], &d[i]);
        const uint64_t mask = -uint64_t(borrow);
        unsigned char carry = 0;
        for (int i = 0; i < 4; i++) {
            unsigned long long out;
            carry = _addcarry_u64(carry, d[i], Q[i] & mask, &out);
            r.v[i] = out;
        }
    }

    static void mul(Element &r, const Element &a, const Element &b) { MUL(r.v, a.v, b.v); }
    static void square(Element &r, const Element &a) { SQUARE(r.v, a.v); }
    static void neg(Element &r, const Element &a) {
        const Element none{};
        sub(r, none, a);
    }

    static void inverse(Element &r, const Element &a) { Raw::field.inv(raw(r), raw(a)); }
    static void toMontgomery(Element &r, const Element &a) { Raw::field.toMontgomery(raw(r), raw(a)); }
    static void fromMontgomery(Element &r, const Element &a) { Raw::field.fromMontgomery(raw(r), raw(a)); }
    static Element one() { return own(Raw::field.one()); }
    static std::string text(const Element &a) { return Raw::field.toString(raw(a)); }

    static bool isZero(const Element &a) { return (a.v[0] | a.v[1] | a.v[2] | a.v[3]) == 0; }
    static bool equal(const Element &a, const Element &b) {
        return ((a.v[0] ^ b.v[0]) | (a.v[1] ^ b.v[1]) | (a.v[2] ^ b.v[2]) | (a.v[3] ^ b.v[3])) == 0;
    }

private:
    using RawElement = typename Raw::Element;
    static RawElement &raw(Element &a) { return reinterpret_cast<RawElement &>(a); }
    static const RawElement &raw(const Element &a) { return reinterpret_cast<const RawElement &>(a); }
    static Element own(const RawElement &a) { return reinterpret_cast<const Element &>(a); }

    static void reduceOnce(Element &r, const unsigned long long *s) {
        unsigned long long d[4];
        unsigned char borrow = 0;
        for (int i = 0; i < 4; i++) borrow = _subborrow_u64(borrow, s[i], Q[i], &d[i]);
        const uint64_t keep = -uint64_t(borrow);
        for (int i = 0; i < 4; i++) r.v[i] = (s[i] & keep) | (d[i] & ~keep);
    }
};

inline constexpr uint64_t FQ_PRIME[4] = {0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029};
inline constexpr uint64_t FR_PRIME[4] = {0x43e1f593f0000001, 0x2833e84879b97091, 0xb85045b68181585d, 0x30644e72e131a029};

using Fq = PrimeField<RawFq, FQ_PRIME, Fq_rawMMul, Fq_rawMSquare>;
using Fr = PrimeField<RawFr, FR_PRIME, Fr_rawMMul, Fr_rawMSquare>;

/// Fq[u] / (u^2 + 1).
struct Fq2 {
    struct Element {
        Fq::Element a, b;
    };

    static void add(Element &r, const Element &x, const Element &y) {
        Fq::add(r.a, x.a, y.a);
        Fq::add(r.b, x.b, y.b);
    }
    static void sub(Element &r, const Element &x, const Element &y) {
        Fq::sub(r.a, x.a, y.a);
        Fq::sub(r.b, x.b, y.b);
    }
    static void neg(Element &r, const Element &x) {
        Fq::neg(r.a, x.a);
        Fq::neg(r.b, x.b);
    }
    static void mul(Element &r, const Element &x, const Element &y) {
        Fq::Element aa, bb, s, t;
        Fq::mul(aa, x.a, y.a);
        Fq::mul(bb, x.b, y.b);
        Fq::add(s, x.a, x.b);
        Fq::add(t, y.a, y.b);
        Fq::mul(s, s, t);
        Fq::sub(r.a, aa, bb);
        Fq::sub(s, s, aa);
        Fq::sub(r.b, s, bb);
    }
    static void square(Element &r, const Element &x) {
        Fq::Element sum, difference, product;
        Fq::add(sum, x.a, x.b);
        Fq::sub(difference, x.a, x.b);
        Fq::mul(product, x.a, x.b);
        Fq::mul(r.a, sum, difference);
        Fq::add(r.b, product, product);
    }
    static void inverse(Element &r, const Element &x) {
        Fq::Element norm, t;
        Fq::square(norm, x.a);
        Fq::square(t, x.b);
        Fq::add(norm, norm, t);
        Fq::inverse(norm, norm);
        Fq::mul(r.a, x.a, norm);
        Fq::mul(t, x.b, norm);
        Fq::neg(r.b, t);
    }
    static Element one() { return {Fq::one(), {}}; }
    static bool isZero(const Element &x) { return Fq::isZero(x.a) && Fq::isZero(x.b); }
    static bool equal(const Element &x, const Element &y) { return Fq::equal(x.a, y.a) && Fq::equal(x.b, y.b); }
};
