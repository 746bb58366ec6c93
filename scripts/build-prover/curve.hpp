// Points of y^2 = x^3 + b over a field of field.hpp. Formulas: hyperelliptic.org/EFD, short Weierstrass, "xyzz".
#pragma once

#include "field.hpp"

template <typename F>
struct Group {
    using Field = F;
    using E = typename F::Element;

    /// As it stands in a key; (0, 0) is infinity.
    struct Affine {
        E x, y;
    };
    /// (x / zz, y / zzz) with zz^3 = zzz^2; zz = 0 is infinity.
    struct Point {
        E x, y, zz, zzz;
    };

    static bool isZero(const Affine &p) { return F::isZero(p.x) && F::isZero(p.y); }
    static bool isZero(const Point &p) { return F::isZero(p.zz); }
    static Point zero() { return {F::one(), F::one(), {}, {}}; }
    static Point from(const Affine &p) { return isZero(p) ? zero() : Point{p.x, p.y, F::one(), F::one()}; }

    static void twice(Point &r, const Point &p) {
        if (isZero(p)) {
            r = p;
            return;
        }
        E u, v, w, s, m, t;
        F::add(u, p.y, p.y);
        F::square(v, u);
        F::mul(w, u, v);
        F::mul(s, p.x, v);
        F::square(m, p.x);
        F::add(t, m, m);
        F::add(m, m, t);
        F::mul(t, w, p.y);
        F::mul(r.zz, v, p.zz);
        F::mul(r.zzz, w, p.zzz);
        F::square(r.x, m);
        F::sub(r.x, r.x, s);
        F::sub(r.x, r.x, s);
        F::sub(s, s, r.x);
        F::mul(r.y, m, s);
        F::sub(r.y, r.y, t);
    }

    static void add(Point &r, const Point &p, const Point &q) {
        if (isZero(q)) {
            r = p;
            return;
        }
        if (isZero(p)) {
            r = q;
            return;
        }
        E u1, u2, s1, s2;
        F::mul(u1, p.x, q.zz);
        F::mul(u2, q.x, p.zz);
        F::mul(s1, p.y, q.zzz);
        F::mul(s2, q.y, p.zzz);
        F::sub(u2, u2, u1);
        F::sub(s2, s2, s1);
        if (F::isZero(u2)) {
            if (F::isZero(s2)) twice(r, p);
            else r = zero();
            return;
        }
        E zz, zzz;
        F::mul(zz, p.zz, q.zz);
        F::mul(zzz, p.zzz, q.zzz);
        finish(r, u1, s1, u2, s2, zz, zzz);
    }

    static void add(Point &r, const Point &p, const Affine &q) {
        if (isZero(q)) {
            r = p;
            return;
        }
        if (isZero(p)) {
            r = from(q);
            return;
        }
        E u2, s2;
        F::mul(u2, q.x, p.zz);
        F::mul(s2, q.y, p.zzz);
        F::sub(u2, u2, p.x);
        F::sub(s2, s2, p.y);
        if (F::isZero(u2)) {
            if (F::isZero(s2)) twice(r, p);
            else r = zero();
            return;
        }
        const E x = p.x, y = p.y, zz = p.zz, zzz = p.zzz;
        finish(r, x, y, u2, s2, zz, zzz);
    }

    /// `scalar`: 32 bytes, little-endian, plain.
    static Point times(const Point &p, const uint8_t *scalar) {
        Point r = zero();
        for (int bit = 255; bit >= 0; bit--) {
            twice(r, r);
            if (scalar[bit >> 3] >> (bit & 7) & 1) add(r, r, p);
        }
        return r;
    }

    static Affine affine(const Point &p) {
        if (isZero(p)) return {};
        Affine r;
        E inverse;
        F::inverse(inverse, p.zz);
        F::mul(r.x, p.x, inverse);
        F::inverse(inverse, p.zzz);
        F::mul(r.y, p.y, inverse);
        return r;
    }

private:
    /// (x1, y1) and what the other point differs by, over the common denominators zz and zzz.
    static void finish(Point &r, const E &x1, const E &y1, const E &dx, const E &dy, const E &zz, const E &zzz) {
        E pp, ppp, q, t;
        F::square(pp, dx);
        F::mul(ppp, dx, pp);
        F::mul(q, x1, pp);
        F::mul(t, y1, ppp);
        F::square(r.x, dy);
        F::sub(r.x, r.x, ppp);
        F::sub(r.x, r.x, q);
        F::sub(r.x, r.x, q);
        F::sub(q, q, r.x);
        F::mul(r.y, dy, q);
        F::sub(r.y, r.y, t);
        F::mul(r.zz, zz, pp);
        F::mul(r.zzz, zzz, ppp);
    }
};

using G1 = Group<Fq>;
using G2 = Group<Fq2>;
