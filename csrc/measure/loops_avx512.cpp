// AVX-512 with VNNI: four products of bytes and their sum in one instruction.
#include "measure/loops.h"

#include <immintrin.h>

namespace sw {
namespace {

constexpr int kReadAccumulators = 8, kAccumulators = 16;

inline void forget() { __asm__ volatile("" ::: "memory"); }

// Not _mm512_reduce_add_epi64, which adds with a sign: what was read may overflow it.
inline uint64_t add_up(__m512i v) {
    uint64_t part[8], total = 0;
    _mm512_storeu_si512(part, v);
    for (const uint64_t p : part) total += p;
    return total;
}

template <bool Ahead>
uint64_t read(const uint8_t* data, size_t size_bytes, size_t passes) {
    __m512i acc[kReadAccumulators];
    for (auto& a : acc) a = _mm512_setzero_si512();
    for (size_t pass = 0; pass < passes; ++pass) {
        for (size_t at = 0; at < size_bytes; at += 64 * kReadAccumulators) {
            if (Ahead)
                for (int line = 0; line < 8; ++line) {
                    _mm_prefetch((const char*)data + at + 32768 + 64 * line, _MM_HINT_T1);
                    _mm_prefetch((const char*)data + at + 4096 + 64 * line, _MM_HINT_T0);
                }
            for (int k = 0; k < kReadAccumulators; ++k)
                acc[k] = _mm512_xor_si512(acc[k], _mm512_load_si512((const void*)(data + at + 64 * k)));
        }
        forget();
    }
    for (int k = 1; k < kReadAccumulators; ++k) acc[0] = _mm512_add_epi64(acc[0], acc[k]);
    return add_up(acc[0]);
}

uint64_t int8_dot(size_t rounds) {
    __m512i acc[kAccumulators], x = _mm512_set1_epi8(3), w = _mm512_set1_epi8(-1);
    for (int k = 0; k < kAccumulators; ++k) acc[k] = _mm512_set1_epi32(k);
    for (size_t round = 0; round < rounds; ++round) {
        __asm__ volatile("" : "+v"(x), "+v"(w));
        for (int k = 0; k < kAccumulators; ++k) acc[k] = _mm512_dpbusd_epi32(acc[k], x, w);
    }
    for (int k = 1; k < kAccumulators; ++k) acc[0] = _mm512_add_epi32(acc[0], acc[k]);
    return add_up(acc[0]);
}

uint64_t multiply_add(size_t rounds) {
    __m512 acc[kAccumulators];
    const __m512 x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(1e-3f);
    for (int k = 0; k < kAccumulators; ++k) acc[k] = _mm512_set1_ps((float)k);
    for (size_t round = 0; round < rounds; ++round)
        for (int k = 0; k < kAccumulators; ++k) acc[k] = _mm512_fmadd_ps(acc[k], x, y);
    for (int k = 1; k < kAccumulators; ++k) acc[0] = _mm512_add_ps(acc[0], acc[k]);
    return add_up(_mm512_castps_si512(acc[0]));
}

}  // namespace

extern const Loops loops_avx512;
const Loops loops_avx512 = {"avx512",     read<false>,            read<true>, int8_dot, kAccumulators * 64 * 2,
                            multiply_add, kAccumulators * 16 * 2};

}  // namespace sw
