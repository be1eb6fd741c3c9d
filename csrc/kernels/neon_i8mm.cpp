// Arm's matrix instructions for bytes: 2 rows of 8 codes times 2 tokens of 8 codes give 4 sums. Two groups of a panel,
// interleaved, are such rows; stored codes are unsigned, so their middle is in the sums from the start.
// Leaves: products_i8mm, quantised formats alone. Not here: one token, and all else of the table (neon.cpp).
#include "kernels/kernels.h"

#include <arm_neon.h>

namespace sw {
namespace {

#include "kernels/neon.inc"

constexpr int kPairs = kPanel / 2;   // registers of sums of a pair of tokens: 2 rows by 2 tokens each

// Rows 4 r to 4 r + 3 of two groups of 4 codes, as 2 rows of 8 codes in each register.
struct Eight {
    uint8x16_t first, second;
};

inline Eight load_eight(const uint8_t* groups, int r) {
    const uint32x4_t even = vreinterpretq_u32_u8(vld1q_u8(groups + r * 16)), odd = vreinterpretq_u32_u8(vld1q_u8(groups + 64 + r * 16));
    return {vreinterpretq_u8_u32(vzip1q_u32(even, odd)), vreinterpretq_u8_u32(vzip2q_u32(even, odd))};
}

// 8 codes of both tokens of every pair; an odd last token stands beside itself.
template <int T>
inline void load_inputs(const int8_t* q, size_t q_stride, int8x16_t (&in)[(T + 1) / 2]) {
    for (int t = 0; t < T; t += 2)
        in[t / 2] = vcombine_s8(vld1_s8(q + t * q_stride), vld1_s8(q + (t + 1 < T ? t + 1 : t) * q_stride));
}

template <int T>
inline void dot_eight(const Eight& code, const int8x16_t (&in)[(T + 1) / 2], int r, int32x4_t (&dot)[(T + 1) / 2][kPairs]) {
    for (int pair = 0; pair < (T + 1) / 2; ++pair) {
        dot[pair][2 * r] = vusmmlaq_s32(dot[pair][2 * r], code.first, in[pair]);
        dot[pair][2 * r + 1] = vusmmlaq_s32(dot[pair][2 * r + 1], code.second, in[pair]);
    }
}

// The dots of 16 inputs in bytes.
template <int T>
inline void dot_bytes(const uint8_t* half, const int8_t* q, size_t q_stride, int32x4_t (&dot)[(T + 1) / 2][kPairs]) {
    for (int at = 0; at < 16; at += 8) {
        int8x16_t in[(T + 1) / 2];
        load_inputs<T>(q + at, q_stride, in);
        for (int r = 0; r < kParts; ++r) dot_eight<T>(load_eight(half + at * kPanel, r), in, r, dot);
    }
}

// The dots of a block of nibbles: the low ones are inputs 0 to 15, the high ones 16 to 31.
template <int T>
inline void dot_nibbles(const uint8_t* block, const int8_t* q, size_t q_stride, int32x4_t (&dot)[(T + 1) / 2][kPairs]) {
    const uint8x16_t mask = vdupq_n_u8(15);
    for (int at = 0; at < 16; at += 8) {
        int8x16_t low[(T + 1) / 2], high[(T + 1) / 2];
        load_inputs<T>(q + at, q_stride, low);
        load_inputs<T>(q + at + 16, q_stride, high);
        for (int r = 0; r < kParts; ++r) {
            const Eight both = load_eight(block + at * kPanel, r);
            dot_eight<T>({vandq_u8(both.first, mask), vandq_u8(both.second, mask)}, low, r, dot);
            dot_eight<T>({vshrq_n_u8(both.first, 4), vshrq_n_u8(both.second, 4)}, high, r, dot);
        }
    }
}

// Sums of token t, rows 4 r to 4 r + 3.
template <int T>
inline float32x4_t take(const int32x4_t (&dot)[(T + 1) / 2][kPairs], int t, int r) {
    const int32x4_t first = dot[t / 2][2 * r], second = dot[t / 2][2 * r + 1];
    return vcvtq_f32_s32(t % 2 ? vuzp2q_s32(first, second) : vuzp1q_s32(first, second));
}

template <Format F, int T>
void tile_quantized(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
    constexpr size_t block_bytes = (size_t)kPanel * kBlock * code_bits(F) / 8;
    constexpr bool bytes = code_bits(F) == 8, halves = F == Format::q8_half;
    const size_t blocks = (size_t)w.cols / kBlock, x_blocks = x.q_stride / kBlock;
    const uint8_t* panel = w.data + (size_t)p0 * w.panel_stride;
    const uint16_t* scales = (const uint16_t*)(panel + w.scales_at);
    const uint16_t* minimums = scales + blocks * kPanel * scales_of_block(F);
    const int8_t* q = x.q + (size_t)t0 * x.q_stride;
    const float* x_scale = x.scale + (size_t)t0 * x_blocks;
    const int32_t* x_offset = x.offset + (size_t)t0 * x_blocks;
    const int32_t* x_half = x.half + (size_t)t0 * x_blocks;
    float32x4_t acc[T][kParts];
    int32x4_t dot[(T + 1) / 2][kPairs];
    const auto dots = [&](int t, int r) { return take<T>(dot, t, r); };
    // offset(t): -8 times the sum of the inputs' codes
    const auto start = [&](auto offset) {
        for (int t = 0; t < T; t += 2) {
            const int32_t both[2] = {offset(t), t + 1 < T ? offset(t + 1) : 0};
            const int32x2_t sums = bytes ? vshl_n_s32(vld1_s32(both), 4) : F == Format::q4 ? vld1_s32(both) : vdup_n_s32(0);
            for (int i = 0; i < kPairs; ++i) dot[t / 2][i] = vcombine_s32(sums, sums);
        }
    };
    for (int t = 0; t < T; ++t)
        for (int r = 0; r < kParts; ++r) acc[t][r] = vdupq_n_f32(0.0f);
    for (size_t b = 0; b < blocks; ++b) {
        const uint8_t* block = panel + b * block_bytes;
        const int8_t* qb = q + b * kBlock;
        start([&](int t) { return (halves ? x_half : x_offset)[t * x_blocks + b]; });
        if (bytes) {
            dot_bytes<T>(block, qb, x.q_stride, dot);
            if (halves) {
                accumulate<T>(scales + b * 2 * kPanel, x_scale + b, x_blocks, acc, dots);
                start([&](int t) { return x_offset[t * x_blocks + b] - x_half[t * x_blocks + b]; });
            }
            dot_bytes<T>(block + block_bytes / 2, qb + kBlock / 2, x.q_stride, dot);
        } else {
            dot_nibbles<T>(block, qb, x.q_stride, dot);
        }
        accumulate<T>(scales + (halves ? b * 2 + 1 : b) * kPanel, x_scale + b, x_blocks, acc, dots);
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
    constexpr bool bytes = code_bits(F) == 8;
    const size_t blocks = (size_t)w.cols / kBlock, spans = spans_of((size_t)w.cols), x_blocks = x.q_stride / kBlock;
    const uint8_t* panel = w.data + (size_t)p0 * w.panel_stride;
    const uint16_t* scales = (const uint16_t*)(panel + w.scales_at);
    const int8_t* shares = (const int8_t*)(scales + spans * kPanel);
    const int8_t* q = x.q + (size_t)t0 * x.q_stride;
    const float* x_scale = x.scale + (size_t)t0 * x_blocks;
    const int32_t* x_offset = x.offset + (size_t)t0 * x_blocks;
    float32x4_t acc[T][kParts];
    int32x4_t dot[(T + 1) / 2][kPairs], sum[(T + 1) / 2][kPairs];
    for (int t = 0; t < T; ++t)
        for (int r = 0; r < kParts; ++r) acc[t][r] = vdupq_n_f32(0.0f);
    for (size_t s = 0; s < spans; ++s) {
        const size_t begin = s * kSpanBlocks, end = blocks - begin < kSpanBlocks ? blocks : begin + kSpanBlocks;
        for (int pair = 0; pair < (T + 1) / 2; ++pair)
            for (int i = 0; i < kPairs; ++i) sum[pair][i] = vdupq_n_s32(0);
        for (size_t b = begin; b < end; ++b) {
            const uint8_t* block = panel + b * block_bytes;
            const int8_t* qb = q + b * kBlock;
            for (int t = 0; t < T; t += 2) {
                const int32_t both[2] = {x_offset[t * x_blocks + b], t + 1 < T ? x_offset[(t + 1) * x_blocks + b] : 0};
                const int32x2_t middle = bytes ? vshl_n_s32(vld1_s32(both), 4) : vld1_s32(both);
                for (int i = 0; i < kPairs; ++i) dot[t / 2][i] = vcombine_s32(middle, middle);
            }
            if (bytes) {
                dot_bytes<T>(block, qb, x.q_stride, dot);
                dot_bytes<T>(block + block_bytes / 2, qb + kBlock / 2, x.q_stride, dot);
            } else {
                dot_nibbles<T>(block, qb, x.q_stride, dot);
            }
            for (int r = 0; r < kParts; ++r) {
                int32x4_t share = vdupq_n_s32(1);
                if (!bytes) share = share_of_block(shares + s * kPanel * kSpanBlocks, r, (int)(b - begin));
                const int32x4_t first = vzip1q_s32(share, share), second = vzip2q_s32(share, share);   // each row's for both tokens
                for (int pair = 0; pair < (T + 1) / 2; ++pair) {
                    sum[pair][2 * r] = vmlaq_s32(sum[pair][2 * r], dot[pair][2 * r], first);
                    sum[pair][2 * r + 1] = vmlaq_s32(sum[pair][2 * r + 1], dot[pair][2 * r + 1], second);
                }
            }
        }
        accumulate<T>(scales + s * kPanel, x_scale + begin, x_blocks, acc, [&](int t, int r) { return take<T>(sum, t, r); });
    }
    for (int t = 0; t < T; ++t) write(acc[t], p0 * kPanel, w.rows, t0 + t, out);
}

// The sums of 6 tokens take 24 of the 32 registers.
struct Tiles {
    static constexpr int tokens(Format) { return 6; }
    static constexpr int panels(Format, int) { return 1; }
    template <Format F, int P, int T>
    static void tile(const Matrix& w, const Rows& x, int t0, const Output& out, int p0) {
        if constexpr (in_spans(F)) tile_spans<F, T>(w, x, t0, out, p0);
        else tile_quantized<F, T>(w, x, t0, out, p0);
    }
};

#include "kernels/tiles.inc"

}  // namespace

extern const Products products_i8mm;
const Products products_i8mm = Products{{nullptr, nullptr, nullptr, product<Tiles, Format::q8>, product<Tiles, Format::q8_min>,
                                         product<Tiles, Format::q8_half>, product<Tiles, Format::q8_span>, product<Tiles, Format::q4>,
                                         product<Tiles, Format::q4_min>, product<Tiles, Format::q4_span>}};

}  // namespace sw
