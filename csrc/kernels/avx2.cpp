// AVX2 with F16C: a panel is two registers of 8 rows. Byte products go through 16-bit sums that cannot saturate.
#include "kernels/kernels.h"

#include <immintrin.h>

namespace sw {
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

template <bool IsHalf>
inline __m256 get(const uint8_t* panel, size_t at) {
    if (IsHalf) return half_to_single((const uint16_t*)panel + at);
    return _mm256_loadu_ps((const float*)panel + at);
}

template <bool IsHalf, int P, int T>
void tile_float(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
    const uint8_t* panel = w.data + (size_t)p0 * w.panel_stride;
    const float* row = x.f32 + (size_t)t0 * x.f32_stride;
    __m256 acc[P][T][2];
    for (int p = 0; p < P; ++p)
        for (int t = 0; t < T; ++t) acc[p][t][0] = acc[p][t][1] = _mm256_setzero_ps();
    for (int k = 0; k < w.cols; ++k) {
        for (int p = 0; p < P; ++p) {
            const __m256 low = get<IsHalf>(panel + p * w.panel_stride, (size_t)k * kPanel);
            const __m256 high = get<IsHalf>(panel + p * w.panel_stride, (size_t)k * kPanel + 8);
            for (int t = 0; t < T; ++t) {
                const __m256 in = _mm256_broadcast_ss(row + t * x.f32_stride + k);
                acc[p][t][0] = _mm256_add_ps(acc[p][t][0], _mm256_mul_ps(low, in));
                acc[p][t][1] = _mm256_add_ps(acc[p][t][1], _mm256_mul_ps(high, in));
            }
        }
    }
    for (int p = 0; p < P; ++p)
        for (int t = 0; t < T; ++t) write(acc[p][t][0], acc[p][t][1], (p0 + p) * kPanel, w.rows, t0 + t, out);
}

template <int Bits, int P, int T>
void tile_quantized(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
    static_assert(P == 1, "one panel fills the registers");
    constexpr size_t block_bytes = (size_t)kPanel * kBlock * Bits / 8;
    const int blocks = w.cols / kBlock;
    const size_t x_blocks = x.q_stride / kBlock;
    const uint8_t* panel = w.data + (size_t)p0 * w.panel_stride;
    const uint16_t* scales = w.scales + (size_t)p0 * blocks * kPanel;
    const int8_t* q = x.q + (size_t)t0 * x.q_stride;
    const float* x_scale = x.scale + (size_t)t0 * x_blocks;
    const int32_t* x_offset = x.offset + (size_t)t0 * x_blocks;
    const __m256i ones = _mm256_set1_epi16(1);
    __m256 acc[T][2];
    for (int t = 0; t < T; ++t) acc[t][0] = acc[t][1] = _mm256_setzero_ps();
    for (int b = 0; b < blocks; ++b) {
        const uint8_t* block = panel + (size_t)b * block_bytes;
        const int8_t* qb = q + (size_t)b * kBlock;
        __m256i dot[T][2];
        if (Bits == 8) {
            // The stored byte is the code + 128; |code| <= 128 and |x| <= 127 keep a pair's sum below 2^15.
            const __m256i flip = _mm256_set1_epi8((char)0x80);
            for (int t = 0; t < T; ++t) dot[t][0] = dot[t][1] = _mm256_setzero_si256();
            for (int g = 0; g < 8; ++g) {
                for (int h = 0; h < 2; ++h) {
                    const __m256i code = _mm256_xor_si256(_mm256_loadu_si256((const __m256i*)(block + g * 64 + h * 32)), flip);
                    const __m256i size = _mm256_abs_epi8(code);
                    for (int t = 0; t < T; ++t) {
                        int32_t four;
                        __builtin_memcpy(&four, qb + t * x.q_stride + g * 4, 4);
                        const __m256i in = _mm256_sign_epi8(_mm256_set1_epi32(four), code);
                        dot[t][h] = _mm256_add_epi32(dot[t][h], _mm256_madd_epi16(_mm256_maddubs_epi16(size, in), ones));
                    }
                }
            }
        } else {
            // 8 groups of pairs below 2 * 15 * 127 each: the 16-bit sums stay below 2^15.
            const __m256i mask = _mm256_set1_epi8(15);
            for (int t = 0; t < T; ++t) dot[t][0] = dot[t][1] = _mm256_setzero_si256();
            for (int g = 0; g < 4; ++g) {
                for (int h = 0; h < 2; ++h) {
                    const __m256i pair = _mm256_loadu_si256((const __m256i*)(block + g * 64 + h * 32));
                    const __m256i low = _mm256_and_si256(pair, mask);
                    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(pair, 4), mask);
                    for (int t = 0; t < T; ++t) {
                        int32_t four, next;
                        __builtin_memcpy(&four, qb + t * x.q_stride + g * 4, 4);
                        __builtin_memcpy(&next, qb + t * x.q_stride + g * 4 + 16, 4);
                        dot[t][h] = _mm256_add_epi16(dot[t][h], _mm256_maddubs_epi16(low, _mm256_set1_epi32(four)));
                        dot[t][h] = _mm256_add_epi16(dot[t][h], _mm256_maddubs_epi16(high, _mm256_set1_epi32(next)));
                    }
                }
            }
            for (int t = 0; t < T; ++t) {
                const __m256i offset = _mm256_set1_epi32(x_offset[t * x_blocks + b]);
                for (int h = 0; h < 2; ++h) dot[t][h] = _mm256_add_epi32(_mm256_madd_epi16(dot[t][h], ones), offset);
            }
        }
        for (int h = 0; h < 2; ++h) {
            const __m256 w_scale = half_to_single(scales + (size_t)b * kPanel + h * 8);
            for (int t = 0; t < T; ++t) {
                const __m256 factor = _mm256_mul_ps(w_scale, _mm256_broadcast_ss(x_scale + t * x_blocks + b));
                acc[t][h] = _mm256_add_ps(acc[t][h], _mm256_mul_ps(_mm256_cvtepi32_ps(dot[t][h]), factor));
            }
        }
    }
    for (int t = 0; t < T; ++t) write(acc[t][0], acc[t][1], p0 * kPanel, w.rows, t0 + t, out);
}

struct Singles {
    static constexpr int tokens = 5, wide_tokens = 2, wide = 3, narrow = 1;
    template <int P, int T>
    static void tile(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
        tile_float<false, P, T>(w, x, t0, out, p0);
    }
};

struct Halves {
    static constexpr int tokens = 5, wide_tokens = 2, wide = 3, narrow = 1;
    template <int P, int T>
    static void tile(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
        tile_float<true, P, T>(w, x, t0, out, p0);
    }
};

struct Bytes {
    static constexpr int tokens = 3, wide_tokens = 0, wide = 1, narrow = 1;
    template <int P, int T>
    static void tile(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
        tile_quantized<8, P, T>(w, x, t0, out, p0);
    }
};

struct Nibbles {
    static constexpr int tokens = 3, wide_tokens = 0, wide = 1, narrow = 1;
    template <int P, int T>
    static void tile(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
        tile_quantized<4, P, T>(w, x, t0, out, p0);
    }
};

#include "kernels/tiles.inc"

}  // namespace

extern const Kernels kernels_avx2;
const Kernels kernels_avx2 = make_table("avx2", product<Singles>, product<Halves>, product<Bytes>, product<Nibbles>);

}  // namespace sw
