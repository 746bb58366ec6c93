// A Groth16 prover for snarkjs's zkey and wtns files: `prover KEY WITNESS` prints {"proof": ..., "publicSignals": [...]}.
//
// Field and curve arithmetic come from the npm package ffiasm, which scripts/build-prover/main.ts fetches and compiles. That
// package is GPL-3.0; the binary is therefore made on the machine that uses it and never distributed with this project.
//
// Written for proving keys that the keeper trusts: lengths and indices are checked, points are not.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <cassert>

#include "alt_bn128.hpp"
#include "fft.hpp"

using Engine = AltBn128::Engine;
using Scalar = Engine::FrElement;

namespace {

struct Slice {
    uint8_t *data;
    uint64_t size;
};

/// The numbered sections of a file, mapped read-only.
class Container {
    uint8_t *base;
    uint64_t size;
    std::map<uint32_t, Slice> sections;

public:
    Container(const char *path, const char *magic) {
        int file = open(path, O_RDONLY);
        struct stat info;
        if (file < 0 || fstat(file, &info) != 0) throw std::runtime_error(std::string("cannot read ") + path);
        size = uint64_t(info.st_size);
        if (size < 12) throw std::runtime_error(std::string(path) + " is cut off");
        void *mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
        if (mapped == MAP_FAILED) throw std::runtime_error(std::string("cannot map ") + path);
        close(file);
        base = static_cast<uint8_t *>(mapped);
        if (memcmp(base, magic, 4) != 0) throw std::runtime_error(std::string(path) + " is not a " + magic + " file");
        uint32_t count;
        memcpy(&count, base + 8, 4);
        uint64_t at = 12;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t type;
            uint64_t length;
            if (size - at < 12) throw std::runtime_error(std::string(path) + " is cut off");
            memcpy(&type, base + at, 4);
            memcpy(&length, base + at + 4, 8);
            at += 12;
            if (length > size - at) throw std::runtime_error(std::string(path) + " is cut off");
            sections[type] = Slice{base + at, length};
            at += length;
        }
    }

    Slice section(uint32_t type, uint64_t expected = 0) const {
        auto found = sections.find(type);
        if (found == sections.end()) throw std::runtime_error("section " + std::to_string(type) + " is missing");
        if (expected != 0 && found->second.size != expected) {
            throw std::runtime_error("section " + std::to_string(type) + " has a wrong length");
        }
        return found->second;
    }
};

uint32_t u32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

/// Below 2^253, hence below the group's order: uniform enough to blind, without rejection.
Scalar randomScalar() {
    Scalar value;
    if (getrandom(&value, sizeof value, 0) != ssize_t(sizeof value)) throw std::runtime_error("no randomness");
    reinterpret_cast<uint8_t *>(&value)[31] &= 0x1f;
    return value;
}

/// Evaluations over the domain become evaluations over its coset: the roots of twice the order that are no roots of it.
void toCoset(FFT<Engine::Fr> &fft, Scalar *values, uint32_t power, uint64_t size) {
    fft.ifft(values, size);
#pragma omp parallel for
    for (uint64_t i = 0; i < size; i++) Engine::engine.fr.mul(values[i], values[i], fft.root(power + 1, i));
    fft.fft(values, size);
}

template <typename Curve, typename Affine>
typename Curve::Point sum(Curve &group, const Slice &points, const uint8_t *scalars) {
    typename Curve::Point result;
    group.multiMulByScalar(
        result, reinterpret_cast<Affine *>(points.data), const_cast<uint8_t *>(scalars), 32, points.size / sizeof(Affine));
    return result;
}

std::string quoted(const std::string &text) { return "\"" + text + "\""; }

std::string prove(const char *keyPath, const char *witnessPath) {
    Engine &E = Engine::engine;
    Container key(keyPath, "zkey");
    Container wtns(witnessPath, "wtns");
    if (u32(key.section(1, 4).data) != 1) throw std::runtime_error("not a Groth16 key");
    uint8_t *head = key.section(2, 84 + 576).data;
    const uint32_t wires = u32(head + 72), publics = u32(head + 76), size = u32(head + 80);
    if (size < 2 || (size & (size - 1)) != 0 || publics >= wires) throw std::runtime_error("key header makes no sense");
    const Slice witness = wtns.section(2, uint64_t(wires) * 32);
    if (memcmp(wtns.section(1, 40).data + 4, head + 40, 32) != 0) throw std::runtime_error("witness is over another field");
    uint32_t power = 0;
    while ((1u << power) < size) power++;

    // Rows of A and B at the witness. Coefficients carry the factor 2^512, so the product with a plain value is in Montgomery form.
    std::vector<Scalar> a(size), b(size), c(size);
    const Slice coefficients = key.section(4);
    const uint32_t terms = u32(coefficients.data);
    if (coefficients.size != 4 + uint64_t(terms) * 44) throw std::runtime_error("coefficients are cut off");
    bool outside = false;
#pragma omp parallel for num_threads(2) reduction(|| : outside)
    for (uint32_t form = 0; form < 2; form++) {
        Scalar *rows = form == 0 ? a.data() : b.data();
        memset(static_cast<void *>(rows), 0, uint64_t(size) * sizeof(Scalar));
        for (uint32_t i = 0; i < terms; i++) {
            const uint8_t *term = coefficients.data + 4 + uint64_t(i) * 44;
            if (u32(term) != form) continue;
            const uint32_t row = u32(term + 4), wire = u32(term + 8);
            if (row >= size || wire >= wires) {
                outside = true;
                continue;
            }
            Scalar coefficient, value;
            memcpy(&coefficient, term + 12, 32);
            memcpy(&value, witness.data + uint64_t(wire) * 32, 32);
            E.fr.mul(value, coefficient, value);
            E.fr.add(rows[row], rows[row], value);
        }
    }
    if (outside) throw std::runtime_error("a coefficient is outside of the circuit");
#pragma omp parallel for
    for (uint32_t i = 0; i < size; i++) E.fr.mul(c[i], a[i], b[i]);

    // A B - C vanishes on the domain; the key's H points are the Lagrange basis of its coset.
    {
        FFT<Engine::Fr> fft(uint64_t(size) * 2);
        for (Scalar *values : {a.data(), b.data(), c.data()}) toCoset(fft, values, power, size);
    }
#pragma omp parallel for
    for (uint32_t i = 0; i < size; i++) {
        E.fr.mul(a[i], a[i], b[i]);
        E.fr.sub(a[i], a[i], c[i]);
        E.fr.fromMontgomery(a[i], a[i]);
    }

    using G1 = Engine::G1;
    using G2 = Engine::G2;
    using P1 = Engine::G1PointAffine;
    using P2 = Engine::G2PointAffine;
    const uint64_t n = wires;
    auto pa = sum<G1, P1>(E.g1, key.section(5, n * 64), witness.data);
    auto pb1 = sum<G1, P1>(E.g1, key.section(6, n * 64), witness.data);
    auto pb2 = sum<G2, P2>(E.g2, key.section(7, n * 128), witness.data);
    auto pc = sum<G1, P1>(E.g1, key.section(8, (n - publics - 1) * 64), witness.data + uint64_t(publics + 1) * 32);
    auto ph = sum<G1, P1>(E.g1, key.section(9, uint64_t(size) * 64), reinterpret_cast<uint8_t *>(a.data()));

    auto &alpha1 = *reinterpret_cast<P1 *>(head + 84);
    auto &beta1 = *reinterpret_cast<P1 *>(head + 148);
    auto &beta2 = *reinterpret_cast<P2 *>(head + 212);
    auto &delta1 = *reinterpret_cast<P1 *>(head + 468);
    auto &delta2 = *reinterpret_cast<P2 *>(head + 532);

    // Blinding: A += r delta, B += s delta, C += s A + r B1 - r s delta.
    Scalar r = randomScalar(), s = randomScalar(), rs;
    E.fr.toMontgomery(rs, r);
    E.fr.mul(rs, rs, s);
    E.fr.neg(rs, rs);
    auto bytes = [](Scalar &value) { return reinterpret_cast<uint8_t *>(&value); };
    G1::Point t1;
    G2::Point t2;
    E.g1.add(pa, pa, alpha1);
    E.g1.mulByScalar(t1, delta1, bytes(r), 32);
    E.g1.add(pa, pa, t1);
    E.g2.add(pb2, pb2, beta2);
    E.g2.mulByScalar(t2, delta2, bytes(s), 32);
    E.g2.add(pb2, pb2, t2);
    E.g1.add(pb1, pb1, beta1);
    E.g1.mulByScalar(t1, delta1, bytes(s), 32);
    E.g1.add(pb1, pb1, t1);
    E.g1.add(pc, pc, ph);
    E.g1.mulByScalar(t1, pa, bytes(s), 32);
    E.g1.add(pc, pc, t1);
    E.g1.mulByScalar(t1, pb1, bytes(r), 32);
    E.g1.add(pc, pc, t1);
    E.g1.mulByScalar(t1, delta1, bytes(rs), 32);
    E.g1.add(pc, pc, t1);

    P1 outA, outC;
    P2 outB;
    E.g1.copy(outA, pa);
    E.g2.copy(outB, pb2);
    E.g1.copy(outC, pc);
    auto f = [&](const Engine::F1Element &value) { return quoted(E.f1.toString(value)); };
    std::string json = "{\"proof\":{\"pi_a\":[" + f(outA.x) + "," + f(outA.y) + ",\"1\"],\"pi_b\":[[" + f(outB.x.a) + "," + f(outB.x.b) + "],[" +
        f(outB.y.a) + "," + f(outB.y.b) + "],[\"1\",\"0\"]],\"pi_c\":[" + f(outC.x) + "," + f(outC.y) +
        ",\"1\"],\"protocol\":\"groth16\",\"curve\":\"bn128\"},\"publicSignals\":[";
    for (uint32_t i = 1; i <= publics; i++) {
        Scalar value;
        memcpy(&value, witness.data + uint64_t(i) * 32, 32);
        E.fr.toMontgomery(value, value);
        json += (i > 1 ? "," : "") + quoted(E.fr.toString(value));
    }
    return json + "]}";
}

}  // namespace

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: prover KEY.zkey WITNESS.wtns\n");
        return 2;
    }
    // OpenMP's threads spin at barriers by default, and its runtime reads this before main: on a busy machine spinning costs
    // several times what the proof does.
    if (!getenv("OMP_WAIT_POLICY")) {
        setenv("OMP_WAIT_POLICY", "passive", 1);
        execv("/proc/self/exe", arguments);
    }
    try {
        puts(prove(arguments[1], arguments[2]).c_str());
        return 0;
    } catch (const std::exception &error) {
        fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
