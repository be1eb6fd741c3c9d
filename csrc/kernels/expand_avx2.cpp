// Codes of 2 and 3 bits and sparse ones to bytes, 32 (sparse: 8) at a time.
#include "kernels/kernels.h"

#include <immintrin.h>

namespace sw {
namespace {

inline void split_nibbles(const uint8_t* codes, int8_t* low, int8_t* high) {
    const __m256i mask = _mm256_set1_epi8(15), eight = _mm256_set1_epi8(8);
    for (int at = 0; at < 64; at += 32) {
        const __m256i bytes = _mm256_loadu_si256((const __m256i*)(codes + at));
        _mm256_storeu_si256((__m256i*)(low + at), _mm256_sub_epi8(_mm256_and_si256(bytes, mask), eight));
        _mm256_storeu_si256((__m256i*)(high + at), _mm256_sub_epi8(_mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask), eight));
    }
}

inline void shuffle_8(const int8_t* from, const uint8_t* order, uint8_t* to) {
    const __m128i moved = _mm_shuffle_epi8(_mm_loadl_epi64((const __m128i*)from), _mm_loadl_epi64((const __m128i*)order));
    _mm_storel_epi64((__m128i*)to, _mm_xor_si128(moved, _mm_set1_epi8((char)0x80)));
}

#include "kernels/expand_shuffle.inc"

inline __m256i load(const uint8_t* from) { return _mm256_loadu_si256((const __m256i*)from); }
inline __m256i bits(__m256i from, int down, int mask) { return _mm256_and_si256(_mm256_srl_epi16(from, _mm_cvtsi32_si128(down)), _mm256_set1_epi8((char)mask)); }

void expand_q2(const uint8_t* data, size_t blocks, uint8_t* to, const uint8_t*) {
    for (size_t at = 0; at < blocks * 8; ++at) {
        for (int half = 0; half < 2; ++half, to += 32) {
            const __m256i code = bits(load(data + at / 4 * 64 + half * 32), 2 * (int)(at % 4), 3);
            _mm256_storeu_si256((__m256i*)to, _mm256_add_epi8(_mm256_add_epi8(code, code), _mm256_set1_epi8(125)));
        }
    }
}

void expand_q3(const uint8_t* data, size_t blocks, uint8_t* to, const uint8_t*) {
    for (size_t b = 0; b < blocks; ++b, data += 192, to += 512) {
        for (int half = 0; half < 64; half += 32) {
            const auto put = [&](int g, __m256i raised) { _mm256_storeu_si256((__m256i*)(to + g * 64 + half), _mm256_add_epi8(raised, _mm256_set1_epi8(124))); };
            const __m256i last = load(data + 128 + half);
            for (int v = 0; v < 3; ++v) {
                const __m256i pair = load(data + v * 64 + half);
                put(2 * v, bits(pair, 0, 7));
                put(2 * v + 1, bits(pair, 3, 7));
                if (v < 2) put(6 + v, _mm256_or_si256(bits(pair, 5, 6), bits(last, 6 + v, 1)));
            }
        }
    }
}

}  // namespace

extern const Expands expands_avx2;
const Expands expands_avx2{{expand_q3, nullptr}, {expand_q2, nullptr}, {expand_sparse, nullptr}};

}  // namespace sw
