// sw-check [ISA]: every kernel of every instruction set that runs here (or of ISA alone) against ref, bit by bit.
// Enters: nothing; random and extreme numbers are made from fixed seeds. Leaves: one line a set, or the first difference
// and status 1. The line ends in a hash of all results, which is the same on every processor. It needs no Python and no
// files, so it runs on any device. A NaN equals every NaN: which one comes out of two is the processor's business.
// Not here: whether ref itself is right (the property tests).
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "file/error.h"
#include "fuzz/random.h"
#include "kernels/blocks.h"
#include "kernels/memory.h"
#include "kernels/pack.h"

namespace {

using sw::Kernels;
using Floats = std::vector<float>;

class Random : public sw_fuzz::Random {
public:
    using sw_fuzz::Random::Random;
    int from(int least, int most) { return least + (int)(next() % (uint64_t)(most - least + 1)); }
    bool chance(int of) { return next() % (uint64_t)of == 0; }
    float number() { return (float)(int64_t)next() * 0x1p-61f; }   // from -4 to 4
    Floats numbers(size_t count) {
        Floats x(count);
        for (float& v : x) v = number();
        return x;
    }
    // The same with values where functions bend, saturate, round or stop being numbers.
    Floats numbers_and_edges(size_t count) {
        static const float edges[] = {0.0f, -0.0f, 1e-45f, -1e-39f, 1e-30f, 6e-8f, 5.97e-8f, 6.1e-5f, 0.625f, -0.93f, 4.0f, -86.6f, 88.72284f,
                                      89.0f, -104.0f, 65504.0f, 65519.9f, -65520.0f, 3.4e38f, -3.4e38f, 1e20f,
                                      __builtin_inff(), -__builtin_inff(), __builtin_nanf("")};
        Floats x = numbers(count);
        for (float& v : x)
            if (chance(3)) v = chance(2) ? v * 20.0f : edges[next() % (sizeof edges / sizeof *edges)];
        return x;
    }
};

struct Difference {
    std::string message;
};

uint32_t bits(float x) {
    uint32_t u;
    std::memcpy(&u, &x, sizeof u);
    return x == x ? u : 0x7fc00000u;
}
uint32_t bits(int32_t x) { return (uint32_t)x; }

class Check {
public:
    explicit Check(const Kernels& tested) : tested_(tested) {}
    size_t products = 0, others = 0;
    uint64_t hash = 0xcbf29ce484222325u;   // FNV-1a, by words
    void check_products(sw::Type type);
    void check_all_planes();
    void check_functions(Random& random, size_t n);
    void check_softmax(Random& random, size_t n);
    void check_quantize(Random& random, size_t n);
    void check_halves(Random& random, size_t n);

private:
    void check_product(sw::Type type, Random& random, int rows, int n, bool spans);
    void check_planes(Random& random, int bits, int rows, int n);
    void check_matrix(sw::PackedMatrix& matrix, const std::string& name, Random& random, int n, bool spans);
    template <class T>
    void expect_same(const std::string& what, const std::vector<T>& found, const std::vector<T>& expected) {
        for (size_t i = 0; i < expected.size(); ++i) {
            hash = (hash ^ bits(expected[i])) * 0x100000001b3u;
            if (bits(found[i]) == bits(expected[i])) continue;
            char numbers[160];
            std::snprintf(numbers, sizeof numbers, "value %zu of %zu must be %.9g (%a). Got %.9g (%a).", i, expected.size(), (double)expected[i],
                          (double)expected[i], (double)found[i], (double)found[i]);
            throw Difference{what + ": " + numbers};
        }
    }
    // The results of f(kernels, y) on equal copies of y.
    template <class F>
    void compare(const char* what, const Floats& y, F f) {
        Floats expected = y, found = y;
        f(sw::kernels_ref, expected);
        f(tested_, found);
        expect_same(std::string(what) + " of " + std::to_string(y.size()) + " values", found, expected);
        ++others;
    }
    const Kernels& tested_;
};

// A random matrix as a file holds it. Scales are modest numbers, so that a difference cannot hide behind a NaN; every
// eighth matrix has nothing but one byte as its codes, among them the extreme ones.
std::vector<uint8_t> make_blocks(sw::Type type, Random& random, size_t rows, size_t cols) {
    const size_t size = sw::block_bytes(type), count = rows * cols / sw::block_columns(type);
    std::vector<uint8_t> data(size * count);
    const uint8_t extremes[] = {0x00, 0x7f, 0x80, 0x81, 0xff};
    const bool plain = !random.chance(8);
    const uint8_t code = extremes[random.next() % 5];
    for (uint8_t& byte : data) byte = plain ? (uint8_t)random.next() : code;
    const auto put_half = [&](size_t at) {
        const float value = random.number();
        const uint16_t half = sw::float_to_half(value * (random.chance(9) ? 1e-5f : 0.3f));
        std::memcpy(data.data() + at, &half, 2);
    };
    for (size_t at = 0; at < data.size(); at += size) {
        if (type == sw::Type::f32 || type == sw::Type::bf16) {
            const float value = random.number();
            std::memcpy(data.data() + at, (const uint8_t*)&value + 4 - size, size);   // bf16: the upper half
            continue;
        }
        put_half(at + (type == sw::Type::q6_k ? size - 2 : 0));
        if (type == sw::Type::q4_1 || type == sw::Type::q5_1 || type == sw::Type::q4_k || type == sw::Type::q5_k) put_half(at + 2);
    }
    return data;
}

// Activations as a session hands them to the products.
struct Inputs {
    Inputs(Random& random, size_t n, size_t cols, bool quantized, bool spans) : values(random.numbers(n * cols)) {
        rows.f32 = values.data();
        rows.f32_stride = cols;
        if (random.chance(6))
            for (size_t i = 0; i < values.size(); ++i) values[i] = i / cols % 2 ? 127.0f : -127.0f;
        if (!quantized) return;
        const size_t readable = (n + 15) / 16 * 16 * cols;
        q.resize(readable + 32);
        scale.resize(readable / 32);
        offset.resize(readable / 32);
        half.resize(readable / 32);
        const sw::Quantize quantize = spans ? sw::kernels_ref.quantize_spans : sw::kernels_ref.quantize;
        for (size_t row = 0; row < n; ++row) {
            const size_t at = row * cols, block = at / 32;
            quantize(values.data() + at, cols, q.data() + at, scale.data() + block, offset.data() + block, half.data() + block);
        }
        rows.q = q.data();
        rows.scale = scale.data();
        rows.offset = offset.data();
        rows.half = half.data();
        rows.q_stride = cols;
    }
    Floats values, scale;
    std::vector<int8_t> q;
    std::vector<int32_t> offset, half;
    sw::Rows rows;
};

// Gives the blocks of a span one scale (Q8_0), or whole shares of one power of two (Q4_0).
void agree_in_spans(std::vector<uint8_t>& data, sw::Type type, Random& random, size_t blocks_of_row) {
    const size_t bytes = sw::block_bytes(type);
    float unit = 0;
    for (size_t i = 0; i < data.size() / bytes; ++i) {
        if (i % blocks_of_row % sw::kSpanBlocks == 0) unit = std::ldexp(1.0f, random.from(-20, 2));
        const int share = type == sw::Type::q4_0 ? random.from(0, 30) - 15 : 1;
        const uint16_t scale = sw::float_to_half(unit * (float)share);
        std::memcpy(data.data() + i * bytes, &scale, sizeof scale);
    }
}

sw::Tensor make_tensor(sw::Type type, const std::vector<uint8_t>& data, uint64_t cols, uint64_t rows) {
    sw::Tensor tensor{};
    tensor.name = "check";
    tensor.type = type;
    tensor.n_dims = 2;
    tensor.dims[0] = cols;
    tensor.dims[1] = rows;
    tensor.dims[2] = tensor.dims[3] = 1;
    tensor.data = data.data();
    tensor.size_bytes = data.size();
    return tensor;
}

void Check::check_product(sw::Type type, Random& random, int rows, int n, bool spans) {
    const int block = (int)sw::block_columns(type);
    const int cols = block == 1 ? random.from(1, 300) : block * random.from(1, block == 32 ? 14 : 3);
    std::vector<uint8_t> data = make_blocks(type, random, (size_t)rows, (size_t)cols);
    if (spans) agree_in_spans(data, type, random, (size_t)cols / 32);
    const sw::Tensor tensor = make_tensor(type, data, (uint64_t)cols, (uint64_t)rows);
    sw::PackedMatrix matrix(tensor, spans);
    check_matrix(matrix, std::string(sw::layout_of(type).name) + (spans ? " in spans" : ""), random, n, spans);
}

// Codes of 3 or 2 bits, or (0) sparse ones, of which a row keeps few, all or none.
void Check::check_planes(Random& random, int bits, int rows, int n) {
    const int cols = 32 * random.from(1, 14), spans = (cols + sw::kSpan - 1) / sw::kSpan;
    std::vector<uint8_t> scales, mask, codes;
    for (int i = 0; i < rows * spans; ++i) {
        const uint16_t half = sw::float_to_half(random.number() * 0.3f);
        scales.push_back((uint8_t)half);
        scales.push_back((uint8_t)(half >> 8));
    }
    for (int row = 0; row < rows && !bits; ++row) {
        int kept = 0;
        const uint8_t mode = (uint8_t)random.from(0, 7);   // 0: none, 1: all, else some
        for (int i = 0; i < cols / 8; ++i) {
            mask.push_back(mode == 0 ? 0 : mode == 1 ? 255 : (uint8_t)(random.next() & (mode < 5 ? random.next() : 255)));
            kept += __builtin_popcount(mask.back());
        }
        for (int i = 0; i < (kept + 1) / 2; ++i) codes.push_back((uint8_t)random.next());
    }
    for (int i = 0; i < rows * cols * bits / 8; ++i) codes.push_back((uint8_t)random.next());
    if (codes.empty()) codes.push_back(0);
    const sw::Tensor stored_scales = make_tensor(sw::Type::f16, scales, (uint64_t)spans, (uint64_t)rows), stored_mask = make_tensor(sw::Type::i8, mask, (uint64_t)cols / 8, (uint64_t)rows),
                     stored_codes = bits ? make_tensor(sw::Type::i8, codes, (uint64_t)(cols * bits / 8), (uint64_t)rows) : make_tensor(sw::Type::i8, codes, codes.size(), 1);
    sw::PackedMatrix matrix(sw::Planes(stored_codes, stored_scales, bits ? nullptr : &stored_mask, (uint64_t)rows, (uint64_t)cols));
    check_matrix(matrix, bits ? std::to_string(bits) + "-bit planes" : "sparse planes", random, n, true);
}

void Check::check_matrix(sw::PackedMatrix& matrix, const std::string& name, Random& random, int n, bool spans) {
    const int rows = matrix.rows(), cols = matrix.cols();
    sw::Buffer memory(matrix.size_bytes());
    const Inputs x(random, (size_t)n, (size_t)cols, matrix.quantized(), spans);
    const Floats bias = random.numbers((size_t)rows);
    const Floats before = random.numbers((size_t)(n * rows + sw::kPanel));   // what stands behind the result stays
    const bool with_bias = random.chance(2), add = random.chance(2);
    const int middle = random.from(0, matrix.panels());   // two threads' shares
    for (const bool packed : {false, true}) {
        if (packed) {
            matrix.place(memory.as());
            if (!matrix.pack(0, matrix.panels())) expect_same<int>("packing", {1}, {0});
        }
        const auto multiply = [&](const Kernels& kernels) {
            Floats y = before;
            const sw::Output out{y.data(), (size_t)rows, with_bias ? bias.data() : nullptr, add};
            matrix.multiply(kernels, x.rows, n, out, 0, middle, middle);
            matrix.multiply(kernels, x.rows, n, out, middle, matrix.panels(), matrix.panels());
            return y;
        };
        expect_same(name + " product of " + std::to_string(rows) + " rows, " + std::to_string(cols) + " columns, " +
                        std::to_string(n) + " tokens, " + (packed ? "packed" : "in place") + (with_bias ? ", bias" : "") + (add ? ", added" : ""),
                    multiply(tested_), multiply(sw::kernels_ref));
        ++products;
    }
}

void Check::check_products(sw::Type type) {
    Random random(1000 + (uint64_t)type);
    for (const bool spans : {false, true}) {
        if (spans && type != sw::Type::q8_0 && type != sw::Type::q4_0) continue;
        for (int rows = 1; rows <= 100; ++rows) check_product(type, random, rows, random.from(1, 9), spans);
        for (int n = 1; n <= 40; ++n) check_product(type, random, random.from(1, 80), n, spans);
    }
}

void Check::check_all_planes() {
    for (const int bits : {0, 2, 3}) {
        Random random(2000 + (uint64_t)bits);
        for (int rows = 1; rows <= 100; ++rows) check_planes(random, bits, rows, random.from(1, 9));
        for (int n = 1; n <= 40; ++n) check_planes(random, bits, random.from(1, 80), n);
    }
}

void Check::check_functions(Random& random, size_t n) {
    const Floats x = random.numbers_and_edges(n), y = random.numbers_and_edges(n), weight = random.numbers(n), bias = random.numbers(n);
    const char* const names[sw::kActivations] = {"silu", "gelu", "gelu_tanh", "relu", "tanh"};
    for (int i = 0; i < sw::kActivations; ++i) compare(names[i], x, [&](const Kernels& k, Floats& to) { k.activate[i](to.data(), n); });
    compare("exp", x, [&](const Kernels& k, Floats& to) { k.exp(to.data(), n); });
    compare("multiply", y, [&](const Kernels& k, Floats& to) { k.multiply(to.data(), x.data(), n); });
    compare("add", y, [&](const Kernels& k, Floats& to) { k.add(to.data(), x.data(), n); });
    compare("scale", y, [&](const Kernels& k, Floats& to) { k.scale(to.data(), weight[0], n); });
    for (const Floats& in : {x, weight}) {
        compare("rms_norm", y, [&](const Kernels& k, Floats& to) { k.rms_norm(in.data(), weight.data(), n, 1e-6f, to.data()); });
        compare("layer_norm", y, [&](const Kernels& k, Floats& to) { k.layer_norm(in.data(), weight.data(), bias.data(), n, 1e-6f, to.data()); });
    }
    const size_t present = (size_t)random.from(1, 16);
    const Floats rows = random.numbers(present * (n + 3));
    compare("interleave", Floats(n * 16), [&](const Kernels& k, Floats& to) { k.interleave(rows.data(), n + 3, present, n, to.data()); });
    if (n % 2) return;
    compare("rotate_halves", x, [&](const Kernels& k, Floats& to) { k.rotate_halves(to.data(), weight.data(), bias.data(), n / 2); });
    compare("rotate_pairs", x, [&](const Kernels& k, Floats& to) { k.rotate_pairs(to.data(), weight.data(), bias.data(), n / 2); });
}

void Check::check_softmax(Random& random, size_t n) {
    for (const Floats& scores : {random.numbers(n), random.numbers_and_edges(n), Floats(n, -__builtin_inff())}) {
        const size_t valid = (size_t)random.from(0, (int)n);
        Floats with_sum = scores;
        with_sum.push_back(0.0f);
        compare("softmax and its sum", with_sum, [&](const Kernels& k, Floats& to) { to[n] = k.softmax(to.data(), valid, n); });
    }
}

void Check::check_quantize(Random& random, size_t n) {
    for (const Floats& x : {random.numbers(n), random.numbers_and_edges(n)}) {
        std::vector<int8_t> q[2];
        std::vector<int32_t> offset[2], half[2];
        Floats scale[2];
        for (const int i : {0, 1}) {
            q[i].resize(n);
            scale[i].resize(n / 32);
            offset[i].resize(n / 32);
            half[i].resize(n / 32);
            (i ? tested_ : sw::kernels_ref).quantize(x.data(), n, q[i].data(), scale[i].data(), offset[i].data(), half[i].data());
        }
        expect_same("codes of quantize", q[1], q[0]);
        expect_same("scales of quantize", scale[1], scale[0]);
        expect_same("offsets of quantize", offset[1], offset[0]);
        expect_same("halves of quantize", half[1], half[0]);
        ++others;
    }
}

void Check::check_halves(Random& random, size_t n) {
    // all there are, when n is that many
    std::vector<uint16_t> in(n), out[2] = {in, in};
    for (size_t i = 0; i < n; ++i) in[i] = n == 65536 ? (uint16_t)i : (uint16_t)random.next();
    compare("from_half", Floats(n), [&](const Kernels& k, Floats& to) { k.from_half(in.data(), to.data(), n); });
    Floats x = random.numbers_and_edges(n);
    for (float& v : x)
        if (v == v && random.chance(2)) v *= random.chance(2) ? 1e-5f : 1e4f;   // too small, or nearly too large
    sw::kernels_ref.to_half(x.data(), out[0].data(), n);
    tested_.to_half(x.data(), out[1].data(), n);
    expect_same("to_half", out[1], out[0]);
    ++others;
}

void check_all(const Kernels& kernels) {
    using T = sw::Type;
    Check check(kernels);
    for (const T type : {T::f32, T::f16, T::bf16, T::q4_0, T::q4_1, T::q5_0, T::q5_1, T::q8_0, T::q4_k, T::q5_k, T::q6_k, T::iq4_nl})
        check.check_products(type);
    check.check_all_planes();
    Random random(1);
    for (size_t n = 1; n <= 130; ++n) {
        check.check_functions(random, n);
        check.check_softmax(random, n);
        check.check_halves(random, n);
        check.check_quantize(random, n * 32);
    }
    check.check_functions(random, 4099);
    check.check_halves(random, 65536);
    std::printf("%s: the bits of ref in %zu products and %zu calls of other functions, %016llx\n", kernels.name, check.products, check.others,
                (unsigned long long)check.hash);
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    const char* testing = "";
    try {
        if (argc > 1) return check_all(sw::select_kernels(testing = argv[1])), 0;
        std::vector<const Kernels*> sets;
        for (const char* name : {"ref", "avx2", "avx512", "amx", "neon", "neon_i8mm"}) {
            try {
                sets.push_back(&sw::select_kernels(name));
            } catch (const sw::Error&) {
                std::printf("%s: not checked, it does not run here\n", name);
            }
        }
        for (const Kernels* kernels : sets) {
            testing = kernels->name;
            check_all(*kernels);
        }
    } catch (const Difference& difference) {
        std::fprintf(stderr, "sw-check: %s differs from ref in %s\n", testing, difference.message.c_str());
        return 1;
    } catch (const sw::Error& error) {
        std::fprintf(stderr, "sw-check: %s (%s)\n", error.what(), error.kind().c_str());
        return 1;
    }
    return 0;
}
