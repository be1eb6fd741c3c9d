// Codes of 2 and 3 bits and sparse ones: to bytes, 64 at a time, or times one row at once. With VBMI2 one instruction puts the kept
// codes in their places.
#include "kernels/kernels.h"

#include <immintrin.h>

namespace sw {

extern const Expands expands_avx2;   // what a processor without VBMI2 does with sparse codes

namespace {

constexpr size_t kBlockBytes = (size_t)kPanel * kBlock;   // expanded

#include "kernels/stream_avx512.inc"

inline bool is_from_memory(const uint8_t* end, const uint8_t* read_end) { return end + kMemoryAhead < read_end; }

// Groups of codes as they lie in their bytes: each is 2^shift times as large there as it is, and so are its dots.
struct Bits2 {
    static constexpr size_t block_bytes = 128;
    static constexpr int scales = 4;
    static constexpr int shift(int scale) { return 2 * scale; }
    static constexpr int scale_of(int g) { return g % 4; }
    static __m512i group(const __m512i* v, int g) { return _mm512_and_si512(v[g / 4], _mm512_set1_epi8((char)(3 << 2 * (g % 4)))); }
    // stored: (code + 3) / 2. `eighths` is -8 times the sum of the row's codes.
    static __m512i finish(__m512i sum, int32_t eighths) { return _mm512_add_epi32(_mm512_slli_epi32(sum, 1), _mm512_set1_epi32(eighths / 8 * 3)); }
    static __m512i to_byte(__m512i raised) { return _mm512_add_epi8(_mm512_add_epi8(raised, raised), _mm512_set1_epi8(128 - 3)); }
};

struct Bits3 {
    static constexpr size_t block_bytes = 192;
    static constexpr int scales = 3;
    static constexpr int shift(int scale) { return scale == 0 ? 0 : scale == 1 ? 3 : 5; }
    static constexpr int scale_of(int g) { return g < 6 ? g % 2 : 2; }
    static __m512i group(const __m512i* v, int g) {
        if (g < 6) return _mm512_and_si512(v[g / 2], _mm512_set1_epi8(g % 2 ? 0x38 : 7));
        const __m512i lowest = _mm512_and_si512(_mm512_srli_epi16(v[2], g - 5), _mm512_set1_epi8(0x20));
        return _mm512_ternarylogic_epi32(v[g - 6], _mm512_set1_epi8((char)0xc0), lowest, 0xea);   // a & b | c
    }
    static __m512i finish(__m512i sum, int32_t eighths) { return _mm512_add_epi32(sum, _mm512_set1_epi32(eighths / 2)); }   // stored: code + 4
    static __m512i to_byte(__m512i raised) { return _mm512_add_epi8(raised, _mm512_set1_epi8(128 - 4)); }
};

template <class Bits>
inline void load_block(const uint8_t* data, __m512i* v) {
    for (size_t i = 0; i < Bits::block_bytes / 64; ++i) v[i] = _mm512_loadu_si512(data + i * 64);
}

template <class Bits>
void expand_bits(const uint8_t* data, size_t blocks, uint8_t* to, const uint8_t* read_end) {
    const bool from_memory = is_from_memory(data + blocks * Bits::block_bytes, read_end);
    for (size_t b = 0; b < blocks; ++b, data += Bits::block_bytes) {
        send_for(data, Bits::block_bytes, from_memory);
        __m512i v[Bits::block_bytes / 64];
        load_block<Bits>(data, v);
#pragma GCC unroll 8
        for (int g = 0; g < 8; ++g, to += 64)
            _mm512_storeu_si512(to, Bits::to_byte(_mm512_srli_epi16(Bits::group(v, g), Bits::shift(Bits::scale_of(g)))));
    }
}

inline __m512 load_halves(const uint8_t* x) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)x)); }

// As the tiles of q8_span do it, in the same order.
inline __m512 accumulate(__m512i dot, const uint8_t* scales, float x_scale, __m512 acc) {
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), _mm512_mul_ps(load_halves(scales), _mm512_set1_ps(x_scale)), acc);
}

inline void write(__m512 acc, int rows, const Output& out) {
    const __mmask16 mask = rows >= kPanel ? (__mmask16)0xffff : (__mmask16)((1u << rows) - 1);
    if (out.bias) acc = _mm512_add_ps(acc, _mm512_maskz_loadu_ps(mask, out.bias));
    if (out.add) acc = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, out.y), acc);
    _mm512_mask_storeu_ps(out.y, mask, acc);
}

template <class Bits>
void one_row_of_bits(const uint8_t* panel, int rows, int cols, const Rows& x, const Output& out, const uint8_t* read_end) {
    const size_t blocks = (size_t)cols / kBlock;
    const uint8_t* data = panel + scales_before((size_t)cols);
    const bool from_memory = is_from_memory(data + blocks * Bits::block_bytes, read_end);
    __m512 acc = _mm512_setzero_ps();
    for (size_t begin = 0; begin < blocks; begin += kSpanBlocks, panel += kPanel * 2) {
        const size_t end = blocks - begin < kSpanBlocks ? blocks : begin + kSpanBlocks;
        __m512i dot[2][Bits::scales];   // of even and odd blocks: one would wait for itself
        for (auto& half : dot)
            for (__m512i& one : half) one = _mm512_setzero_si512();
        const auto add_block = [&](size_t b, __m512i (&to)[Bits::scales]) {
            send_for(data, Bits::block_bytes, from_memory);
            __m512i v[Bits::block_bytes / 64];
            load_block<Bits>(data, v);
#pragma GCC unroll 8
            for (int g = 0; g < 8; ++g) to[Bits::scale_of(g)] = _mm512_dpbusd_epi32(to[Bits::scale_of(g)], Bits::group(v, g), four_codes(x.q + b * kBlock + g * 4));
            data += Bits::block_bytes;
        };
        for (size_t b = begin; b < end; b += 2) {
            add_block(b, dot[0]);
            if (b + 1 < end) add_block(b + 1, dot[1]);
        }
        __m512i sum = _mm512_setzero_si512();
        for (int i = 0; i < Bits::scales; ++i)
            sum = _mm512_add_epi32(sum, _mm512_srai_epi32(_mm512_add_epi32(dot[0][i], dot[1][i]), Bits::shift(i)));
        acc = accumulate(Bits::finish(sum, x.half[begin]), panel, x.scale[begin], acc);
    }
    write(acc, rows, out);
}

// The words of a block, and where each of its runs of codes begins and the last one ends.
struct KeptBlock {
    uint64_t kept[8];
    const uint8_t* codes[5];
};
__attribute__((target("popcnt"))) inline KeptBlock find_kept(const uint8_t* words, const uint8_t* codes, bool from_memory) {
    KeptBlock block;
    __builtin_memcpy(block.kept, words, sizeof block.kept);
    block.codes[0] = codes;
    for (int g = 0; g < 4; ++g) {
        const int first = __builtin_popcountll(block.kept[g]), second = __builtin_popcountll(block.kept[g + 4]);
        block.codes[g + 1] = block.codes[g] + (first > second ? first : second);
    }
    send_for(words, 64, from_memory);
    send_for(codes, (size_t)(block.codes[4] - codes), from_memory);
    return block;
}

__attribute__((target("avx512vbmi2,popcnt"))) void expand_kept(const uint8_t* words, size_t blocks, uint8_t* to, const uint8_t* read_end) {
    const uint8_t* codes = words + blocks * 64;
    const bool from_memory = is_from_memory(codes + blocks * kBlockBytes / 2, read_end);
    const __m512i low = _mm512_set1_epi8(15), dropped = _mm512_set1_epi8(8), raise = _mm512_set1_epi8(128 - 8);
    for (size_t b = 0; b < blocks; ++b, words += 64, to += kBlockBytes) {
        const KeptBlock block = find_kept(words, codes, from_memory);
        codes = block.codes[4];
#pragma GCC unroll 4
        for (int g = 0; g < 4; ++g) {
            const __m512i pair = _mm512_loadu_si512(block.codes[g]);
            const __m512i first = _mm512_and_si512(pair, low), second = _mm512_and_si512(_mm512_srli_epi16(pair, 4), low);
            _mm512_storeu_si512(to + g * 64, _mm512_add_epi8(_mm512_mask_expand_epi8(dropped, block.kept[g], first), raise));
            _mm512_storeu_si512(to + (g + 4) * 64, _mm512_add_epi8(_mm512_mask_expand_epi8(dropped, block.kept[g + 4], second), raise));
        }
    }
}

// The high nibbles stay where they are: their dots come out 16 times too large, exactly.
__attribute__((target("avx512vbmi2,popcnt"))) void one_row_of_kept(const uint8_t* panel, int rows, int cols, const Rows& x, const Output& out, const uint8_t* read_end) {
    const size_t blocks = (size_t)cols / kBlock;
    const uint8_t* words = panel + scales_before((size_t)cols);
    const uint8_t* codes = words + blocks * 64;
    const bool from_memory = is_from_memory(codes + blocks * kBlockBytes / 2, read_end);
    const __m512i low = _mm512_set1_epi8(15), high = _mm512_set1_epi8((char)0xf0);
    const __m512i dropped = _mm512_set1_epi8(8), dropped_high = _mm512_set1_epi8((char)0x80);
    __m512 acc = _mm512_setzero_ps();
    for (size_t begin = 0; begin < blocks; begin += kSpanBlocks, panel += kPanel * 2) {
        const size_t end = blocks - begin < kSpanBlocks ? blocks : begin + kSpanBlocks;
        __m512i dot[2] = {_mm512_set1_epi32(x.half[begin]), _mm512_setzero_si512()}, sixteen[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
        for (size_t b = begin; b < end; ++b, words += 64) {
            const KeptBlock block = find_kept(words, codes, from_memory);
            codes = block.codes[4];
            const int8_t* const q = x.q + b * kBlock;
#pragma GCC unroll 4
            for (int g = 0; g < 4; ++g) {
                const __m512i pair = _mm512_loadu_si512(block.codes[g]);
                const __m512i first = _mm512_mask_expand_epi8(dropped, block.kept[g], _mm512_and_si512(pair, low));
                const __m512i second = _mm512_mask_expand_epi8(dropped_high, block.kept[g + 4], _mm512_and_si512(pair, high));
                dot[g % 2] = _mm512_dpbusd_epi32(dot[g % 2], first, four_codes(q + g * 4));
                sixteen[g % 2] = _mm512_dpbusd_epi32(sixteen[g % 2], second, four_codes(q + g * 4 + 16));
            }
        }
        const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(dot[0], dot[1]), _mm512_srai_epi32(_mm512_add_epi32(sixteen[0], sixteen[1]), 4));
        acc = accumulate(sum, panel, x.scale[begin], acc);
    }
    write(acc, rows, out);
}

}  // namespace

extern const Expands expands_avx512;
const Expands expands_avx512{{expand_bits<Bits3>, one_row_of_bits<Bits3>},
                             {expand_bits<Bits2>, one_row_of_bits<Bits2>},
                             __builtin_cpu_supports("avx512vbmi2") ? Expanding{expand_kept, one_row_of_kept} : expands_avx2.q4_sparse};

}  // namespace sw
