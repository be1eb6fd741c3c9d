// AVX2 with F16C and FMA: a panel is two registers of 8 rows. Byte products go through 16-bit sums that cannot saturate.
#include "kernels/kernels.h"

#include <immintrin.h>

namespace sw {

extern const Expands expands_avx2;
namespace {

typedef float LanesFwd __attribute__((vector_size(64)));

inline void to_half_lanes(LanesFwd v, uint16_t* y) {
    __m256 part[2];
    __builtin_memcpy(part, &v, sizeof v);
    for (int h = 0; h < 2; ++h)
        _mm_storeu_si128((__m128i*)(y + 8 * h), _mm256_cvtps_ph(part[h], _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

inline __m256 half_to_single(const uint16_t* x) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)x)); }

inline LanesFwd from_half_lanes(const uint16_t* x) {
    __m256 part[2] = {half_to_single(x), half_to_single(x + 8)};
    LanesFwd v;
    __builtin_memcpy(&v, part, sizeof v);
    return v;
}

inline LanesFwd fuse(LanesFwd a, LanesFwd b, LanesFwd c) {
    __m256 x[2], y[2], z[2];
    __builtin_memcpy(x, &a, sizeof a);
    __builtin_memcpy(y, &b, sizeof b);
    __builtin_memcpy(z, &c, sizeof c);
    for (int h = 0; h < 2; ++h) z[h] = _mm256_fmadd_ps(x[h], y[h], z[h]);
    __builtin_memcpy(&c, z, sizeof c);
    return c;
}

#include "kernels/elementwise.inc"

inline void write(__m256 low, __m256 high, int row, int rows, int t, const Output& out) {
    float* y = out.y + (size_t)t * out.stride + row;
    if (rows - row >= kPanel) {
        if (out.bias) {
            low = _mm256_add_ps(low, _mm256_loadu_ps(out.bias + row));
            high = _mm256_add_ps(high, _mm256_loadu_ps(out.bias + row + 8));
        }
        if (out.add) {
            low = _mm256_add_ps(_mm256_loadu_ps(y), low);
            high = _mm256_add_ps(_mm256_loadu_ps(y + 8), high);
        }
        _mm256_storeu_ps(y, low);
        _mm256_storeu_ps(y + 8, high);
        return;
    }
    float acc[kPanel];
    _mm256_storeu_ps(acc, low);
    _mm256_storeu_ps(acc + 8, high);
    for (int r = 0; row + r < rows; ++r) {
        float v = acc[r];
        if (out.bias) v = v + out.bias[row + r];
        y[r] = out.add ? y[r] + v : v;
    }
}

template <Format F>
inline __m256 load_floats(const uint8_t* panel, size_t at) {
    if (F == Format::f32) return _mm256_loadu_ps((const float*)panel + at);
    if (F == Format::f16) return half_to_single((const uint16_t*)panel + at);
    const __m128i words = _mm_loadu_si128((const __m128i*)((const uint16_t*)panel + at));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(words), 16));
}

template <Format F, int P, int T>
void tile_float(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
    const uint8_t* panel = w.data + (size_t)p0 * w.panel_stride;
    const float* row = x.f32 + (size_t)t0 * x.f32_stride;
    __m256 acc[P][T][2];
    for (int p = 0; p < P; ++p)
        for (int t = 0; t < T; ++t) acc[p][t][0] = acc[p][t][1] = _mm256_setzero_ps();
    for (int k = 0; k < w.cols; ++k) {
        for (int p = 0; p < P; ++p) {
            const __m256 low = load_floats<F>(panel + p * w.panel_stride, (size_t)k * kPanel);
            const __m256 high = load_floats<F>(panel + p * w.panel_stride, (size_t)k * kPanel + 8);
            for (int t = 0; t < T; ++t) {
                const __m256 in = _mm256_broadcast_ss(row + t * x.f32_stride + k);
                acc[p][t][0] = _mm256_fmadd_ps(low, in, acc[p][t][0]);
                acc[p][t][1] = _mm256_fmadd_ps(high, in, acc[p][t][1]);
            }
        }
    }
    for (int p = 0; p < P; ++p)
        for (int t = 0; t < T; ++t) write(acc[p][t][0], acc[p][t][1], (p0 + p) * kPanel, w.rows, t0 + t, out);
}

inline __m256i four_codes(const int8_t* q) {
    int32_t four;
    __builtin_memcpy(&four, q, 4);
    return _mm256_set1_epi32(four);
}

// The dots of groups [begin, end) of a block of byte codes: the stored byte is the code + 128; |code| <= 128 and
// |x| <= 127 keep a pair's sum below 2^15.
template <int T>
inline void dot_bytes(const uint8_t* block, const int8_t* q, size_t q_stride, int begin, int end, __m256i (&dot)[T][2]) {
    const __m256i flip = _mm256_set1_epi8((char)0x80), ones = _mm256_set1_epi16(1);
    for (int t = 0; t < T; ++t) dot[t][0] = dot[t][1] = _mm256_setzero_si256();
    for (int g = begin; g < end; ++g) {
        for (int h = 0; h < 2; ++h) {
            const __m256i code = _mm256_xor_si256(_mm256_loadu_si256((const __m256i*)(block + g * 64 + h * 32)), flip);
            const __m256i size = _mm256_abs_epi8(code);
            for (int t = 0; t < T; ++t) {
                const __m256i in = _mm256_sign_epi8(four_codes(q + t * q_stride + g * 4), code);
                dot[t][h] = _mm256_add_epi32(dot[t][h], _mm256_madd_epi16(_mm256_maddubs_epi16(size, in), ones));
            }
        }
    }
}

// The same of nibbles: 8 groups of pairs below 2 * 15 * 127 each, so the 16-bit sums stay below 2^15.
template <int T>
inline void dot_nibbles(const uint8_t* block, const int8_t* q, size_t q_stride, __m256i (&dot)[T][2]) {
    const __m256i mask = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    for (int t = 0; t < T; ++t) dot[t][0] = dot[t][1] = _mm256_setzero_si256();
    for (int g = 0; g < 4; ++g) {
        for (int h = 0; h < 2; ++h) {
            const __m256i pair = _mm256_loadu_si256((const __m256i*)(block + g * 64 + h * 32));
            const __m256i low = _mm256_and_si256(pair, mask);
            const __m256i high = _mm256_and_si256(_mm256_srli_epi16(pair, 4), mask);
            for (int t = 0; t < T; ++t) {
                dot[t][h] = _mm256_add_epi16(dot[t][h], _mm256_maddubs_epi16(low, four_codes(q + t * q_stride + g * 4)));
                dot[t][h] = _mm256_add_epi16(dot[t][h], _mm256_maddubs_epi16(high, four_codes(q + t * q_stride + g * 4 + 16)));
            }
        }
    }
    for (int t = 0; t < T; ++t)
        for (int h = 0; h < 2; ++h) dot[t][h] = _mm256_madd_epi16(dot[t][h], ones);
}

// acc += value * (row scale * activation scale), for both halves of the panel.
template <int T, class Value>
inline void accumulate(const uint16_t* w_scale, const float* x_scale, size_t x_blocks, __m256 (&acc)[T][2], Value value) {
    for (int h = 0; h < 2; ++h) {
        const __m256 scale = half_to_single(w_scale + h * 8);
        for (int t = 0; t < T; ++t)
            acc[t][h] = _mm256_fmadd_ps(value(t, h), _mm256_mul_ps(scale, _mm256_broadcast_ss(x_scale + t * x_blocks)), acc[t][h]);
    }
}

template <Format F, int T>
void tile_quantized(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
    constexpr size_t block_bytes = (size_t)kPanel * kBlock * code_bits(F) / 8;
    const size_t blocks = (size_t)w.cols / kBlock, x_blocks = x.q_stride / kBlock;
    const uint8_t* panel = w.data + (size_t)p0 * w.panel_stride;
    const uint16_t* scales = (const uint16_t*)(panel + w.scales_at);
    const uint16_t* minimums = scales + blocks * kPanel * scales_of_block(F);
    const int8_t* q = x.q + (size_t)t0 * x.q_stride;
    const float* x_scale = x.scale + (size_t)t0 * x_blocks;
    const int32_t* x_offset = x.offset + (size_t)t0 * x_blocks;
    __m256 acc[T][2];
    __m256i dot[T][2];
    const auto dots = [&](int t, int h) { return _mm256_cvtepi32_ps(dot[t][h]); };
    for (int t = 0; t < T; ++t) acc[t][0] = acc[t][1] = _mm256_setzero_ps();
    for (size_t b = 0; b < blocks; ++b) {
        const uint8_t* block = panel + b * block_bytes;
        const int8_t* qb = q + b * kBlock;
        if (T == 1)
            for (size_t line = 0; line < block_bytes; line += 64) _mm_prefetch((const char*)block + 1024 + line, _MM_HINT_T0);
        if (F == Format::q8_half) {
            dot_bytes<T>(block, qb, x.q_stride, 0, 4, dot);
            accumulate<T>(scales + b * 2 * kPanel, x_scale + b, x_blocks, acc, dots);
            dot_bytes<T>(block, qb, x.q_stride, 4, 8, dot);
            accumulate<T>(scales + (b * 2 + 1) * kPanel, x_scale + b, x_blocks, acc, dots);
            continue;
        }
        if (code_bits(F) == 8) dot_bytes<T>(block, qb, x.q_stride, 0, 8, dot);
        else dot_nibbles<T>(block, qb, x.q_stride, dot);
        if (F == Format::q4)
            for (int t = 0; t < T; ++t)
                for (int h = 0; h < 2; ++h) dot[t][h] = _mm256_add_epi32(dot[t][h], _mm256_set1_epi32(x_offset[t * x_blocks + b]));
        accumulate<T>(scales + b * kPanel, x_scale + b, x_blocks, acc, dots);
        if (has_minimum(F))
            accumulate<T>(minimums + b * kPanel, x_scale + b, x_blocks, acc,
                          [&](int t, int) { return _mm256_set1_ps((float)x_offset[t * x_blocks + b] * -0.125f); });
    }
    for (int t = 0; t < T; ++t) write(acc[t][0], acc[t][1], p0 * kPanel, w.rows, t0 + t, out);
}

// Spans: sums of whole numbers, scaled once a span.
template <Format F, int T>
void tile_spans(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
    constexpr size_t block_bytes = (size_t)kPanel * kBlock * code_bits(F) / 8;
    const size_t blocks = (size_t)w.cols / kBlock, spans = spans_of((size_t)w.cols), x_blocks = x.q_stride / kBlock;
    const uint8_t* panel = w.data + (size_t)p0 * w.panel_stride;
    const uint16_t* scales = (const uint16_t*)(panel + w.scales_at);
    const uint8_t* shares = (const uint8_t*)(scales + spans * kPanel);
    const int8_t* q = x.q + (size_t)t0 * x.q_stride;
    const float* x_scale = x.scale + (size_t)t0 * x_blocks;
    const int32_t* x_offset = x.offset + (size_t)t0 * x_blocks;
    __m256 acc[T][2];
    for (int t = 0; t < T; ++t) acc[t][0] = acc[t][1] = _mm256_setzero_ps();
    for (size_t s = 0; s < spans; ++s) {
        const size_t begin = s * kSpanBlocks, end = blocks - begin < kSpanBlocks ? blocks : begin + kSpanBlocks;
        __m256i sum[T][2];
        for (int t = 0; t < T; ++t) sum[t][0] = sum[t][1] = _mm256_setzero_si256();
        for (size_t b = begin; b < end; ++b) {
            const uint8_t* block = panel + b * block_bytes;
            if (T == 1)
                for (size_t line = 0; line < block_bytes; line += 64) _mm_prefetch((const char*)block + 1024 + line, _MM_HINT_T0);
            __m256i dot[T][2];
            if (code_bits(F) == 8) dot_bytes<T>(block, q + b * kBlock, x.q_stride, 0, 8, dot);
            else dot_nibbles<T>(block, q + b * kBlock, x.q_stride, dot);
            const __m128i up = _mm_cvtsi32_si128(24 - 8 * (int)(b - begin));
            for (int h = 0; h < 2; ++h) {
                __m256i share = _mm256_setzero_si256();
                if (F == Format::q4_span) {   // as a 16-bit number with zeros above it: a block's dot has at most 16 bits too
                    const __m256i all = _mm256_loadu_si256((const __m256i*)(shares + s * kPanel * kSpanBlocks + h * 32));
                    share = _mm256_srli_epi32(_mm256_srai_epi32(_mm256_sll_epi32(all, up), 8), 16);
                }
                for (int t = 0; t < T; ++t) {
                    __m256i whole = dot[t][h];
                    if (F == Format::q4_span) whole = _mm256_madd_epi16(_mm256_add_epi32(whole, _mm256_set1_epi32(x_offset[t * x_blocks + b])), share);
                    sum[t][h] = _mm256_add_epi32(sum[t][h], whole);
                }
            }
        }
        accumulate<T>(scales + s * kPanel, x_scale + begin, x_blocks, acc, [&](int t, int h) { return _mm256_cvtepi32_ps(sum[t][h]); });
    }
    for (int t = 0; t < T; ++t) write(acc[t][0], acc[t][1], p0 * kPanel, w.rows, t0 + t, out);
}

// One panel of quantised weights fills the registers.
struct Tiles {
    static constexpr int tokens(Format f) { return is_quantized(f) ? 3 : 5; }
    static constexpr int panels(Format f, int count) { return is_quantized(f) || count > 2 ? 1 : 3; }
    template <Format F, int P, int T>
    static void tile(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
        if constexpr (in_spans(F)) tile_spans<F, T>(w, x, t0, out, p0);
        else if constexpr (is_quantized(F)) tile_quantized<F, T>(w, x, t0, out, p0);
        else tile_float<F, P, T>(w, x, t0, out, p0);
    }
};

#include "kernels/tiles.inc"

}  // namespace

extern const Kernels kernels_avx2;
const Kernels kernels_avx2 = make_table("avx2", all_products<Tiles>(), &expands_avx2);

}  // namespace sw
