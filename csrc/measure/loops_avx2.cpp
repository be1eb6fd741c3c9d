// AVX2 with FMA: bytes multiply in pairs to 16 bits, then pairs of those to 32 bits, as the engine's products do.
#include "measure/loops.h"

#include <immintrin.h>

namespace sw {
namespace {

constexpr int kReadAccumulators = 8, kDotAccumulators = 8, kFloatAccumulators = 10;

inline void forget() { __asm__ volatile("" ::: "memory"); }

inline uint64_t add_up(__m256i v) {
    uint64_t part[4];
    _mm256_storeu_si256((__m256i*)part, v);
    return part[0] + part[1] + part[2] + part[3];
}

template <bool Ahead>
uint64_t read(const uint8_t* data, size_t size_bytes, size_t passes) {
    __m256i acc[kReadAccumulators];
    for (auto& a : acc) a = _mm256_setzero_si256();
    for (size_t pass = 0; pass < passes; ++pass) {
        for (size_t at = 0; at < size_bytes; at += 32 * kReadAccumulators) {
            if (Ahead)
                for (int line = 0; line < 4; ++line) _mm_prefetch((const char*)data + at + 4096 + 64 * line, _MM_HINT_T0);
            for (int k = 0; k < kReadAccumulators; ++k)
                acc[k] = _mm256_xor_si256(acc[k], _mm256_load_si256((const __m256i*)(data + at + 32 * k)));
        }
        forget();
    }
    for (int k = 1; k < kReadAccumulators; ++k) acc[0] = _mm256_add_epi64(acc[0], acc[k]);
    return add_up(acc[0]);
}

uint64_t int8_dot(size_t rounds) {
    __m256i acc[kDotAccumulators], x = _mm256_set1_epi8(3), w = _mm256_set1_epi8(-1);
    const __m256i ones = _mm256_set1_epi16(1);
    for (int k = 0; k < kDotAccumulators; ++k) acc[k] = _mm256_set1_epi32(k);
    for (size_t round = 0; round < rounds; ++round)
        for (int k = 0; k < kDotAccumulators; ++k) {
            __asm__ volatile("" : "+x"(x), "+x"(w));   // else one product would serve all accumulators
            acc[k] = _mm256_add_epi32(acc[k], _mm256_madd_epi16(_mm256_maddubs_epi16(x, w), ones));
        }
    for (int k = 1; k < kDotAccumulators; ++k) acc[0] = _mm256_add_epi32(acc[0], acc[k]);
    return add_up(acc[0]);
}

uint64_t multiply_add(size_t rounds) {
    __m256 acc[kFloatAccumulators];
    const __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(1e-3f);
    for (int k = 0; k < kFloatAccumulators; ++k) acc[k] = _mm256_set1_ps((float)k);
    for (size_t round = 0; round < rounds; ++round)
        for (int k = 0; k < kFloatAccumulators; ++k) acc[k] = _mm256_fmadd_ps(acc[k], x, y);
    for (int k = 1; k < kFloatAccumulators; ++k) acc[0] = _mm256_add_ps(acc[0], acc[k]);
    return add_up(_mm256_castps_si256(acc[0]));
}

}  // namespace

extern const Loops loops_avx2;
const Loops loops_avx2 = {"avx2",   read<false>,  read<true>,
                          int8_dot, kDotAccumulators * 32 * 2, multiply_add, kFloatAccumulators * 8 * 2};

}  // namespace sw
