// A Groth16 prover for snarkjs's zkey and wtns files: `prover KEY WITNESS` prints {"proof": ..., "publicSignals": [...]}.
//
// Multiplication in the fields comes from the npm package ffiasm, which scripts/build-prover/main.ts fetches and compiles. That
// package is GPL-3.0; the binary is therefore made on the machine that uses it and never distributed with this project.
//
// Written for proving keys that the keeper trusts: lengths and indices are checked, points are not.
#ifdef __linux__
#include <signal.h>
#include <sys/prctl.h>
#endif
#include <sys/random.h>

#include <cstdio>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "container.hpp"
#include "crew.hpp"
#include "curve.hpp"
#include "multiexp.hpp"
#include "transform.hpp"

namespace {

using Scalar = Fr::Element;
using Jobs = std::vector<std::function<void()>>;

/// More threads than this have nothing to do: a sum has about twenty windows.
constexpr unsigned MAX_THREADS = 32;

struct Blinding {
    /// Plain.
    Scalar r, s, minusRS;

    /// Below 2^253, hence below the group's order: uniform enough to blind, without rejection.
    static Scalar random() {
        Scalar value;
        if (getrandom(&value, sizeof value, 0) != ssize_t(sizeof value)) throw std::runtime_error("no randomness");
        value.v[3] &= 0x1fffffffffffffff;
        return value;
    }

    Blinding() : r(random()), s(random()) {
        Scalar rm;
        Fr::toMontgomery(rm, r);
        Fr::mul(minusRS, rm, s);
        Fr::neg(minusRS, minusRS);
    }
};

const uint8_t *bytes(const Scalar &value) { return reinterpret_cast<const uint8_t *>(&value); }

template <typename T>
T read(const uint8_t *at) {
    T value;
    memcpy(&value, at, sizeof value);
    return value;
}

/// Rows of A and B at the witness. Coefficients carry the factor 2^512, so the product with a plain value is in Montgomery form.
class Rows {
    const uint8_t *terms;
    uint32_t count;
    const uint8_t *witness;

public:
    Rows(const Slice &coefficients, const uint8_t *values, uint32_t wires, uint64_t size) : witness(values) {
        if (coefficients.size < 4) throw std::runtime_error("coefficients are cut off");
        count = u32(coefficients.data);
        if (coefficients.size != 4 + uint64_t(count) * 44) throw std::runtime_error("coefficients are cut off");
        terms = coefficients.data + 4;
        for (uint32_t i = 0; i < count; i++) {
            const uint8_t *term = terms + uint64_t(i) * 44;
            if (u32(term) > 1 || u32(term + 4) >= size || u32(term + 8) >= wires) throw std::runtime_error("a coefficient is outside of the circuit");
        }
    }

    void evaluate(uint32_t form, Scalar *rows) const {
        for (uint32_t i = 0; i < count; i++) {
            const uint8_t *term = terms + uint64_t(i) * 44;
            if (u32(term) != form) continue;
            const Scalar wire = read<Scalar>(witness + uint64_t(u32(term + 8)) * 32);
            if (Fr::isZero(wire)) continue;
            Scalar value;
            Fr::mul(value, read<Scalar>(term + 12), wire);
            Scalar &row = rows[u32(term + 4)];
            Fr::add(row, row, value);
        }
    }
};

std::string quoted(const std::string &text) { return "\"" + text + "\""; }
std::string json(const Fq::Element &x, const Fq::Element &y) { return quoted(Fq::text(x)) + "," + quoted(Fq::text(y)); }

template <typename M>
void addParts(Jobs &jobs, std::optional<M> &sum) {
    for (size_t i = 0; i < sum->parts(); i++) jobs.push_back([&sum, i] { sum->sumPart(i); });
}

std::string prove(const char *keyPath, const char *witnessPath) {
    Container key(keyPath, "zkey");
    Container wtns(witnessPath, "wtns");
    if (u32(key.section(1, 4).data) != 1) throw std::runtime_error("not a Groth16 key");
    const uint8_t *head = key.section(2, 84 + 576).data;
    const uint32_t wires = u32(head + 72), publics = u32(head + 76), size = u32(head + 80);
    if (size < 2 || size > 1u << 27 || (size & (size - 1)) != 0 || publics >= wires || wires > 1u << 30) throw std::runtime_error("key header makes no sense");
    const Slice witness = wtns.section(2, uint64_t(wires) * 32);
    if (memcmp(wtns.section(1, 40).data + 4, head + 40, 32) != 0) throw std::runtime_error("witness is over another field");
    const uint64_t n = wires;
    const Slice pointsA = key.section(5, n * 64), pointsB1 = key.section(6, n * 64), pointsB2 = key.section(7, n * 128);
    const Slice pointsC = key.section(8, (n - publics - 1) * 64), pointsH = key.section(9, uint64_t(size) * 64);

    const Crew crew(std::min(std::thread::hardware_concurrency(), MAX_THREADS));
    std::vector<Scalar> a(size), b(size), c(size);
    std::optional<Multiexp<G1>> sumA, sumB1, sumC, sumH;
    std::optional<Multiexp<G2>> sumB2;
    const Rows rows(key.section(4), witness.data, wires, size);
    crew.run({
        [&] { rows.evaluate(0, a.data()); },
        [&] { rows.evaluate(1, b.data()); },
        [&] { sumB2.emplace(pointsB2.data, witness.data, n); },
        [&] { sumA.emplace(pointsA.data, witness.data, n); },
        [&] { sumB1.emplace(pointsB1.data, witness.data, n); },
        [&] { sumC.emplace(pointsC.data, witness.data + (uint64_t(publics) + 1) * 32, n - publics - 1); },
    });
    crew.split(size, [&](uint64_t from, uint64_t to) {
        for (uint64_t i = from; i < to; i++) Fr::mul(c[i], a[i], b[i]);
    });

    // A B - C vanishes on the domain; the key's H points are the Lagrange basis of its coset. Sums over the witness fill the threads
    // that have no polynomial.
    {
        const Transform transform(size, crew);
        Jobs jobs;
        for (Scalar *values : {a.data(), b.data(), c.data()}) jobs.push_back([&transform, values] { transform.toCoset(values); });
        addParts(jobs, sumB2);
        addParts(jobs, sumA);
        addParts(jobs, sumB1);
        addParts(jobs, sumC);
        crew.run(jobs);
    }
    crew.split(size, [&](uint64_t from, uint64_t to) {
        for (uint64_t i = from; i < to; i++) {
            Fr::mul(a[i], a[i], b[i]);
            Fr::sub(a[i], a[i], c[i]);
            Fr::fromMontgomery(a[i], a[i]);
        }
    });
    sumH.emplace(pointsH.data, bytes(a[0]), size);
    Jobs jobs;
    addParts(jobs, sumH);
    crew.run(jobs);

    // A += r delta, B += s delta, C += s A + r B1 - r s delta: what makes a proof say nothing but its statement.
    const Blinding blinding;
    const auto point1 = [&](uint32_t at) { return G1::from(read<G1::Affine>(head + at)); };
    const auto point2 = [&](uint32_t at) { return G2::from(read<G2::Affine>(head + at)); };
    const auto delta1 = point1(468);
    auto proofA = sumA->total(), proofB1 = sumB1->total(), proofC = sumC->total();
    auto proofB = sumB2->total();
    G1::add(proofA, proofA, point1(84));
    G1::add(proofA, proofA, G1::times(delta1, bytes(blinding.r)));
    G1::add(proofB1, proofB1, point1(148));
    G1::add(proofB1, proofB1, G1::times(delta1, bytes(blinding.s)));
    G2::add(proofB, proofB, point2(212));
    G2::add(proofB, proofB, G2::times(point2(532), bytes(blinding.s)));
    G1::add(proofC, proofC, sumH->total());
    G1::add(proofC, proofC, G1::times(proofA, bytes(blinding.s)));
    G1::add(proofC, proofC, G1::times(proofB1, bytes(blinding.r)));
    G1::add(proofC, proofC, G1::times(delta1, bytes(blinding.minusRS)));

    const auto outA = G1::affine(proofA), outC = G1::affine(proofC);
    const auto outB = G2::affine(proofB);
    std::string out = "{\"proof\":{\"pi_a\":[" + json(outA.x, outA.y) + ",\"1\"],\"pi_b\":[[" + json(outB.x.a, outB.x.b) + "],[" + json(outB.y.a, outB.y.b) +
        "],[\"1\",\"0\"]],\"pi_c\":[" + json(outC.x, outC.y) + ",\"1\"],\"protocol\":\"groth16\",\"curve\":\"bn128\"},\"publicSignals\":[";
    for (uint32_t i = 1; i <= publics; i++) {
        Scalar value;
        Fr::toMontgomery(value, read<Scalar>(witness.data + uint64_t(i) * 32));
        out += (i > 1 ? "," : "") + quoted(Fr::text(value));
    }
    return out + "]}";
}

}  // namespace

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: prover KEY.zkey WITNESS.wtns\n");
        return 2;
    }
#ifdef __linux__
    // A keeper that is killed leaves no prover behind: nobody would read the proof, or stop it at its deadline.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    try {
        puts(prove(arguments[1], arguments[2]).c_str());
        return 0;
    } catch (const std::exception &error) {
        fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
