// Arm's Advanced SIMD with dot products: a panel is four registers of 4 rows. A register of byte codes holds 4 codes of
// each of its rows, and a dot instruction multiplies them with one lane of 4 codes of an activation.
#include "kernels/kernels.h"

#include <arm_neon.h>

namespace sw {

extern const Expands expands_neon;

extern const Products products_i8mm;   // of neon_i8mm.cpp, which is compiled with other flags: two tokens and more

namespace {

#include "kernels/neon.inc"

typedef float LanesFwd __attribute__((vector_size(64)));

inline void to_half_lanes(LanesFwd v, uint16_t* y) {
    float32x4_t part[kParts];
    __builtin_memcpy(part, &v, sizeof v);
    for (int r = 0; r < kParts; ++r) vst1_u16(y + 4 * r, vreinterpret_u16_f16(vcvt_f16_f32(part[r])));
}

inline LanesFwd from_half_lanes(const uint16_t* x) {
    float32x4_t part[kParts];
    for (int r = 0; r < kParts; ++r) part[r] = half_to_single(x + 4 * r);
    LanesFwd v;
    __builtin_memcpy(&v, part, sizeof v);
    return v;
}

inline LanesFwd fuse(LanesFwd a, LanesFwd b, LanesFwd c) {
    float32x4_t x[kParts], y[kParts], z[kParts];
    __builtin_memcpy(x, &a, sizeof a);
    __builtin_memcpy(y, &b, sizeof b);
    __builtin_memcpy(z, &c, sizeof c);
    for (int r = 0; r < kParts; ++r) z[r] = vfmaq_f32(z[r], x[r], y[r]);
    __builtin_memcpy(&c, z, sizeof c);
    return c;
}

#include "kernels/elementwise.inc"

template <Format F>
inline float32x4_t load_floats(const uint8_t* panel, size_t at) {
    if (F == Format::f32) return vld1q_f32((const float*)panel + at);
    if (F == Format::f16) return half_to_single((const uint16_t*)panel + at);
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t*)panel + at), 16));
}

template <Format F, int P, int T>
void tile_float(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
    const uint8_t* panel = w.data + (size_t)p0 * w.panel_stride;
    const float* row = x.f32 + (size_t)t0 * x.f32_stride;
    float32x4_t acc[P][T][kParts];
    for (int p = 0; p < P; ++p)
        for (int t = 0; t < T; ++t)
            for (int r = 0; r < kParts; ++r) acc[p][t][r] = vdupq_n_f32(0.0f);
    for (int k = 0; k < w.cols; ++k) {
        float32x4_t in[T];
        for (int t = 0; t < T; ++t) in[t] = vld1q_dup_f32(row + t * x.f32_stride + k);
        for (int p = 0; p < P; ++p) {
            for (int r = 0; r < kParts; ++r) {
                const float32x4_t value = load_floats<F>(panel + p * w.panel_stride, (size_t)k * kPanel + 4 * r);
                for (int t = 0; t < T; ++t) acc[p][t][r] = vfmaq_f32(acc[p][t][r], value, in[t]);
            }
        }
    }
    for (int p = 0; p < P; ++p)
        for (int t = 0; t < T; ++t) write(acc[p][t], (p0 + p) * kPanel, w.rows, t0 + t, out);
}

constexpr size_t kStreamAhead = 2048;   // bytes of prefetching: what memory delivers in the time of its latency

// 16 codes of every activation row: one lane for each group of 4 inputs.
template <int T>
inline void load_inputs(const int8_t* q, size_t q_stride, int8x16_t (&in)[T]) {
    for (int t = 0; t < T; ++t) in[t] = vld1q_s8(q + t * q_stride);
}

// The dots of one group of bytes: the stored byte is the code + 128.
template <int Lane, int T>
inline void dot_byte_group(const uint8_t* block, const int8x16_t (&in)[T], int32x4_t (&dot)[T][kParts]) {
    for (int r = 0; r < kParts; ++r) {
        const uint8x16_t stored = vld1q_u8(block + Lane * 64 + r * 16);
        const int8x16_t code = vreinterpretq_s8_u8(veorq_u8(stored, vdupq_n_u8(0x80)));
        for (int t = 0; t < T; ++t) dot[t][r] = vdotq_laneq_s32(dot[t][r], code, in[t], Lane);
    }
}

// Half a block of bytes.
template <int T>
inline void dot_bytes(const uint8_t* half, const int8_t* q, size_t q_stride, int32x4_t (&dot)[T][kParts]) {
    int8x16_t in[T];
    load_inputs<T>(q, q_stride, in);
    dot_byte_group<0, T>(half, in, dot);
    dot_byte_group<1, T>(half, in, dot);
    dot_byte_group<2, T>(half, in, dot);
    dot_byte_group<3, T>(half, in, dot);
}

// The dots of two groups of nibbles, taken as they are stored: a middle of 8 is in the sums from the start.
template <int Lane, int T>
inline void dot_nibble_group(const uint8_t* block, const int8x16_t (&low)[T], const int8x16_t (&high)[T], int32x4_t (&dot)[T][kParts]) {
    for (int r = 0; r < kParts; ++r) {
        const uint8x16_t pair = vld1q_u8(block + Lane * 64 + r * 16);
        const int8x16_t first = vreinterpretq_s8_u8(vandq_u8(pair, vdupq_n_u8(15)));
        const int8x16_t second = vreinterpretq_s8_u8(vshrq_n_u8(pair, 4));
        for (int t = 0; t < T; ++t) dot[t][r] = vdotq_laneq_s32(dot[t][r], first, low[t], Lane);
        for (int t = 0; t < T; ++t) dot[t][r] = vdotq_laneq_s32(dot[t][r], second, high[t], Lane);
    }
}

template <int T>
inline void dot_nibbles(const uint8_t* block, const int8_t* q, size_t q_stride, int32x4_t (&dot)[T][kParts]) {
    int8x16_t low[T], high[T];
    load_inputs<T>(q, q_stride, low);
    load_inputs<T>(q + 16, q_stride, high);
    dot_nibble_group<0, T>(block, low, high, dot);
    dot_nibble_group<1, T>(block, low, high, dot);
    dot_nibble_group<2, T>(block, low, high, dot);
    dot_nibble_group<3, T>(block, low, high, dot);
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
    float32x4_t acc[T][kParts];
    int32x4_t dot[T][kParts];
    const auto dots = [&](int t, int r) { return vcvtq_f32_s32(dot[t][r]); };
    const auto start = [&](size_t b) {
        for (int t = 0; t < T; ++t)
            for (int r = 0; r < kParts; ++r) dot[t][r] = vdupq_n_s32(F == Format::q4 ? x_offset[t * x_blocks + b] : 0);
    };
    for (int t = 0; t < T; ++t)
        for (int r = 0; r < kParts; ++r) acc[t][r] = vdupq_n_f32(0.0f);
    for (size_t b = 0; b < blocks; ++b) {
        const uint8_t* block = panel + b * block_bytes;
        const int8_t* qb = q + b * kBlock;
        if (T == 1)
            for (size_t line = 0; line < block_bytes; line += 64) __builtin_prefetch(block + kStreamAhead + line);
        start(b);
        if (code_bits(F) == 4) {
            dot_nibbles<T>(block, qb, x.q_stride, dot);
        } else {
            dot_bytes<T>(block, qb, x.q_stride, dot);
            if (F == Format::q8_half) {
                accumulate<T>(scales + b * 2 * kPanel, x_scale + b, x_blocks, acc, dots);
                start(b);
            }
            dot_bytes<T>(block + block_bytes / 2, qb + kBlock / 2, x.q_stride, dot);
        }
        const size_t scale = F == Format::q8_half ? b * 2 + 1 : b;
        accumulate<T>(scales + scale * kPanel, x_scale + b, x_blocks, acc, dots);
        if (has_minimum(F))
            accumulate<T>(minimums + b * kPanel, x_scale + b, x_blocks, acc,
                          [&](int t, int) { return vdupq_n_f32((float)x_offset[t * x_blocks + b] * -0.125f); });
    }
    for (int t = 0; t < T; ++t) write(acc[t], p0 * kPanel, w.rows, t0 + t, out);
}

// Spans: sums of whole numbers, scaled once a span.
template <Format F, int T>
void tile_spans(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
    constexpr size_t block_bytes = (size_t)kPanel * kBlock * code_bits(F) / 8;
    const size_t blocks = (size_t)w.cols / kBlock, spans = spans_of((size_t)w.cols), x_blocks = x.q_stride / kBlock;
    const uint8_t* panel = w.data + (size_t)p0 * w.panel_stride;
    const uint16_t* scales = (const uint16_t*)(panel + w.scales_at);
    const int8_t* shares = (const int8_t*)(scales + spans * kPanel);
    const int8_t* q = x.q + (size_t)t0 * x.q_stride;
    const float* x_scale = x.scale + (size_t)t0 * x_blocks;
    const int32_t* x_offset = x.offset + (size_t)t0 * x_blocks;
    float32x4_t acc[T][kParts];
    for (int t = 0; t < T; ++t)
        for (int r = 0; r < kParts; ++r) acc[t][r] = vdupq_n_f32(0.0f);
    for (size_t s = 0; s < spans; ++s) {
        const size_t begin = s * kSpanBlocks, end = blocks - begin < kSpanBlocks ? blocks : begin + kSpanBlocks;
        int32x4_t sum[T][kParts];
        for (int t = 0; t < T; ++t)
            for (int r = 0; r < kParts; ++r) sum[t][r] = vdupq_n_s32(0);
        for (size_t b = begin; b < end; ++b) {
            const uint8_t* block = panel + b * block_bytes;
            const int8_t* qb = q + b * kBlock;
            for (size_t line = 0; line < block_bytes; line += 64) __builtin_prefetch(block + kStreamAhead + line);
            if (code_bits(F) == 8) {
                dot_bytes<T>(block, qb, x.q_stride, sum);
                dot_bytes<T>(block + block_bytes / 2, qb + kBlock / 2, x.q_stride, sum);
                continue;
            }
            int32x4_t dot[T][kParts];
            for (int t = 0; t < T; ++t)
                for (int r = 0; r < kParts; ++r) dot[t][r] = vdupq_n_s32(x_offset[t * x_blocks + b]);
            dot_nibbles<T>(block, qb, x.q_stride, dot);
            for (int r = 0; r < kParts; ++r) {
                const int32x4_t share = share_of_block(shares + s * kPanel * kSpanBlocks, r, (int)(b - begin));
                for (int t = 0; t < T; ++t) sum[t][r] = vmlaq_s32(sum[t][r], dot[t][r], share);
            }
        }
        accumulate<T>(scales + s * kPanel, x_scale + begin, x_blocks, acc, [&](int t, int r) { return vcvtq_f32_s32(sum[t][r]); });
    }
    for (int t = 0; t < T; ++t) write(acc[t], p0 * kPanel, w.rows, t0 + t, out);
}

// 32 registers: the dots of 4 tokens, a panel's codes and the inputs fill them, and floats of 6 tokens or of 4 panels.
struct Tiles {
    static constexpr int tokens(Format f) { return is_quantized(f) ? 4 : 6; }
    static constexpr int panels(Format f, int count) { return is_quantized(f) || count > 3 ? 1 : count > 1 ? 2 : 4; }
    template <Format F, int P, int T>
    static void tile(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
        if constexpr (in_spans(F)) tile_spans<F, T>(w, x, t0, out, p0);
        else if constexpr (is_quantized(F)) tile_quantized<F, T>(w, x, t0, out, p0);
        else tile_float<F, P, T>(w, x, t0, out, p0);
    }
};

#include "kernels/tiles.inc"

// A matrix instruction multiplies pairs of tokens: one alone has no use for it, and floats have none either.
template <Format F>
void one_or_more(const Matrix& w, const Rows& x, int n, const Output& out, int begin, int end) {
    (n == 1 ? product<Tiles, F> : products_i8mm.of[(int)F])(w, x, n, out, begin, end);
}

}  // namespace

extern const Kernels kernels_neon;
const Kernels kernels_neon = make_table("neon", all_products<Tiles>(), &expands_neon);

extern const Kernels kernels_neon_i8mm;
const Kernels kernels_neon_i8mm =
    make_table("neon_i8mm", Products{{product<Tiles, Format::f32>, product<Tiles, Format::f16>, product<Tiles, Format::bf16>,
                                      one_or_more<Format::q8>, one_or_more<Format::q8_min>, one_or_more<Format::q8_half>,
                                      one_or_more<Format::q8_span>, one_or_more<Format::q4>, one_or_more<Format::q4_min>,
                                      one_or_more<Format::q4_span>}}, &expands_neon);

}  // namespace sw
