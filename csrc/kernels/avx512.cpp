// AVX-512 with VNNI: 16 rows of a panel in one register, dot products of bytes in one instruction.
#include "kernels/kernels.h"

#include <immintrin.h>

namespace sw {
namespace {

inline void to_half_lanes(__m512 v, uint16_t* y) {
    _mm256_storeu_si256((__m256i*)y, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

inline __m512 from_half_lanes(const uint16_t* x) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)x)); }

#include "kernels/elementwise.inc"

inline void write(__m512 acc, int row, int rows, int t, const Output& out) {
    const int left = rows - row;
    const __mmask16 mask = left >= kPanel ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
    if (out.bias) acc = _mm512_add_ps(acc, _mm512_maskz_loadu_ps(mask, out.bias + row));
    float* y = out.y + (size_t)t * out.stride + row;
    if (out.add) acc = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), acc);
    _mm512_mask_storeu_ps(y, mask, acc);
}

struct Half {
    static constexpr size_t bytes = 2;
    static __m512 get(const uint8_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }
};

struct Single {
    static constexpr size_t bytes = 4;
    static __m512 get(const uint8_t* p) { return _mm512_loadu_ps(p); }
};

template <class Value, int P, int T>
void tile_float(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
    const uint8_t* panel = w.data + (size_t)p0 * w.panel_stride;
    const float* row = x.f32 + (size_t)t0 * x.f32_stride;
    __m512 acc[P][T];
    for (int p = 0; p < P; ++p)
        for (int t = 0; t < T; ++t) acc[p][t] = _mm512_setzero_ps();
    for (int k = 0; k < w.cols; ++k) {
        __m512 value[P];
        for (int p = 0; p < P; ++p) value[p] = Value::get(panel + p * w.panel_stride + (size_t)k * kPanel * Value::bytes);
        for (int t = 0; t < T; ++t) {
            const __m512 in = _mm512_set1_ps(row[t * x.f32_stride + k]);
            for (int p = 0; p < P; ++p) acc[p][t] = _mm512_add_ps(acc[p][t], _mm512_mul_ps(value[p], in));
        }
    }
    for (int p = 0; p < P; ++p)
        for (int t = 0; t < T; ++t) write(acc[p][t], (p0 + p) * kPanel, w.rows, t0 + t, out);
}

template <int Bits, int P, int T>
void tile_quantized(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
    constexpr size_t block_bytes = (size_t)kPanel * kBlock * Bits / 8;
    const int blocks = w.cols / kBlock;
    const size_t x_blocks = x.q_stride / kBlock;
    const uint8_t* panel = w.data + (size_t)p0 * w.panel_stride;
    const uint16_t* scales = w.scales + (size_t)p0 * blocks * kPanel;
    const int8_t* q = x.q + (size_t)t0 * x.q_stride;
    const float* x_scale = x.scale + (size_t)t0 * x_blocks;
    const int32_t* x_offset = x.offset + (size_t)t0 * x_blocks;
    __m512 acc[P][T];
    for (int p = 0; p < P; ++p)
        for (int t = 0; t < T; ++t) acc[p][t] = _mm512_setzero_ps();
    for (int b = 0; b < blocks; ++b) {
        __m512i dot[P][T];
        for (int t = 0; t < T; ++t) {
            __m512i start = _mm512_set1_epi32(x_offset[t * x_blocks + b]);
            if (Bits == 8) start = _mm512_slli_epi32(start, 4);
            for (int p = 0; p < P; ++p) dot[p][t] = start;
        }
        const uint8_t* block = panel + (size_t)b * block_bytes;
        const int8_t* qb = q + (size_t)b * kBlock;
        if (Bits == 8) {
#pragma GCC unroll 8
            for (int g = 0; g < 8; ++g) {
                __m512i code[P];
                for (int p = 0; p < P; ++p) code[p] = _mm512_loadu_si512(block + p * w.panel_stride + g * 64);
                for (int t = 0; t < T; ++t) {
                    int32_t four;
                    __builtin_memcpy(&four, qb + t * x.q_stride + g * 4, 4);
                    const __m512i in = _mm512_set1_epi32(four);
                    for (int p = 0; p < P; ++p) dot[p][t] = _mm512_dpbusd_epi32(dot[p][t], code[p], in);
                }
            }
        } else {
            const __m512i mask = _mm512_set1_epi8(15);
#pragma GCC unroll 4
            for (int g = 0; g < 4; ++g) {
                __m512i low[P], high[P];
                for (int p = 0; p < P; ++p) {
                    const __m512i pair = _mm512_loadu_si512(block + p * w.panel_stride + g * 64);
                    low[p] = _mm512_and_si512(pair, mask);
                    high[p] = _mm512_and_si512(_mm512_srli_epi16(pair, 4), mask);
                }
                for (int t = 0; t < T; ++t) {
                    int32_t four, next;
                    __builtin_memcpy(&four, qb + t * x.q_stride + g * 4, 4);
                    __builtin_memcpy(&next, qb + t * x.q_stride + g * 4 + 16, 4);
                    const __m512i in = _mm512_set1_epi32(four), in_next = _mm512_set1_epi32(next);
                    for (int p = 0; p < P; ++p) {
                        dot[p][t] = _mm512_dpbusd_epi32(dot[p][t], low[p], in);
                        dot[p][t] = _mm512_dpbusd_epi32(dot[p][t], high[p], in_next);
                    }
                }
            }
        }
        __m512 w_scale[P];
        for (int p = 0; p < P; ++p) w_scale[p] = from_half_lanes(scales + ((size_t)p * blocks + b) * kPanel);
        for (int t = 0; t < T; ++t) {
            const __m512 s = _mm512_set1_ps(x_scale[t * x_blocks + b]);
            for (int p = 0; p < P; ++p)
                acc[p][t] = _mm512_add_ps(acc[p][t],
                                          _mm512_mul_ps(_mm512_cvtepi32_ps(dot[p][t]), _mm512_mul_ps(w_scale[p], s)));
        }
    }
    for (int p = 0; p < P; ++p)
        for (int t = 0; t < T; ++t) write(acc[p][t], (p0 + p) * kPanel, w.rows, t0 + t, out);
}

struct Shape {
    static constexpr int tokens = 6, wide_tokens = 3, wide = 4, narrow = 2;
};

struct Singles : Shape {
    template <int P, int T>
    static void tile(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
        tile_float<Single, P, T>(w, x, t0, out, p0);
    }
};

struct Halves : Shape {
    template <int P, int T>
    static void tile(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
        tile_float<Half, P, T>(w, x, t0, out, p0);
    }
};

struct Bytes : Shape {
    template <int P, int T>
    static void tile(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
        tile_quantized<8, P, T>(w, x, t0, out, p0);
    }
};

struct Nibbles : Shape {
    template <int P, int T>
    static void tile(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
        tile_quantized<4, P, T>(w, x, t0, out, p0);
    }
};

#include "kernels/tiles.inc"

}  // namespace

extern const Kernels kernels_avx512;
const Kernels kernels_avx512 = make_table("avx512", product<Singles>, product<Halves>, product<Bytes>, product<Nibbles>);

}  // namespace sw
