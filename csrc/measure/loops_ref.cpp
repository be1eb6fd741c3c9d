// Portable C++, with whatever instructions the compiler's baseline has.
#include "measure/loops.h"

namespace sw {
namespace {

typedef uint64_t Words __attribute__((vector_size(16)));
typedef float Floats __attribute__((vector_size(16)));

constexpr int kAccumulators = 8, kDotLength = 256;

// The memory may have changed, for all that the compiler knows: a second pass reads it again.
inline void forget() { __asm__ volatile("" ::: "memory"); }

template <bool Ahead>
uint64_t read(const uint8_t* data, size_t size_bytes, size_t passes) {
    Words acc[kAccumulators] = {};
    for (size_t pass = 0; pass < passes; ++pass) {
        for (size_t at = 0; at < size_bytes; at += 64 * 2) {
            if (Ahead) {
                __builtin_prefetch(data + at + 4096);
                __builtin_prefetch(data + at + 4096 + 64);
            }
            for (int k = 0; k < kAccumulators; ++k) acc[k] ^= *(const Words*)(data + at + 16 * k);
        }
        forget();
    }
    for (int k = 1; k < kAccumulators; ++k) acc[0] += acc[k];
    return acc[0][0] + acc[0][1];
}

uint64_t int8_dot(size_t rounds) {
    int8_t x[kDotLength], w[kDotLength];
    for (int i = 0; i < kDotLength; ++i) {
        x[i] = (int8_t)(i + 1);
        w[i] = (int8_t)(3 - i);
    }
    uint64_t total = 0;
    for (size_t round = 0; round < rounds; ++round) {
        __asm__ volatile("" : : "r"(x), "r"(w) : "memory");
        int32_t sum = 0;
        for (int i = 0; i < kDotLength; ++i) sum += (int16_t)x[i] * (int16_t)w[i];
        total += (uint64_t)(int64_t)sum;
    }
    return total;
}

uint64_t multiply_add(size_t rounds) {
    Floats acc[kAccumulators], x = {0.999f, 0.999f, 0.999f, 0.999f}, y = {1e-3f, 1e-3f, 1e-3f, 1e-3f};
    for (int k = 0; k < kAccumulators; ++k) acc[k] = x * (float)k;
    for (size_t round = 0; round < rounds; ++round)
        for (int k = 0; k < kAccumulators; ++k) acc[k] = acc[k] * x + y;
    for (int k = 1; k < kAccumulators; ++k) acc[0] += acc[k];
    return (uint64_t)((acc[0][0] + acc[0][1] + acc[0][2] + acc[0][3]) * 1e3f);
}

}  // namespace

extern const Loops loops_ref;
const Loops loops_ref = {"ref", read<false>, read<true>, int8_dot, kDotLength * 2, multiply_add, kAccumulators * 4 * 2};

}  // namespace sw
