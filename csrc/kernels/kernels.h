// The engine's inner loops as one table of functions; ref.cpp, avx2.cpp, avx512.cpp, amx.cpp and neon.cpp each fill one.
// Enters: raw pointers, already checked (kernels check nothing). Leaves: numbers that are bit-identical in every table:
// each output has its own accumulator and a fixed order of additions; products and polynomials fuse multiply and add, all
// other arithmetic never does; reductions use fixed lanes and a fixed final tree. (Not rounded_products, which only AMX has.)
// Not here: shapes, memory, threads.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sw {

constexpr int kPanel = 16;   // output rows that are interleaved in one panel
constexpr int kBlock = 32;   // inputs that share one scale
constexpr int kSpan = 128;   // inputs whose products are summed as whole numbers, where the format says so
constexpr int kSpanBlocks = kSpan / kBlock;

// What a packed matrix holds; every type of file becomes one of these (pack.h).
//   q8       byte codes, a scale a block            q4       nibble codes, a scale a block
//   q8_min   the same and a minimum a block         q4_min   the same and a minimum a block
//   q8_half  byte codes, a scale for each 16 inputs
//   q8_span  byte codes, a scale a span             q4_span  nibble codes, a share a block and a scale a span
//   q3_span  codes of 3 bits, a scale a span        q2_span  codes of 2 bits, a scale a span
//   q4_sparse  a bit a weight, nibble codes of those that are kept, a scale a span
// The last three are expanded to q8_span as they are multiplied. A share is a whole number from -15 to 15, so that code * share fits a byte and a span's dot is exact in 32 bits: it is
// scaled once. The rows that meet such weights have one scale a span too (quantize_spans).
enum class Format : uint8_t { f32, f16, bf16, q8, q8_min, q8_half, q8_span, q4, q4_min, q4_span, q3_span, q2_span, q4_sparse };
constexpr int kFormats = 10;    // that are multiplied as they are packed

constexpr bool is_quantized(Format f) { return f >= Format::q8; }
constexpr bool is_expanded(Format f) { return (int)f >= kFormats; }
constexpr bool in_spans(Format f) { return f == Format::q8_span || f >= Format::q4_span; }
constexpr bool has_minimum(Format f) { return f == Format::q8_min || f == Format::q4_min; }
constexpr int code_bits(Format f) { return f >= Format::q4 ? 4 : 8; }
constexpr int scales_of_block(Format f) { return f == Format::q8_half ? 2 : 1; }
constexpr size_t spans_of(size_t cols) { return (cols + kSpan - 1) / kSpan; }   // the last one may have fewer inputs

// A packed (rows, cols) matrix: panels of 16 rows; of the last one's missing rows nothing is used. Panel p begins at
// data + p * panel_stride; within it, with r the row in the panel:
//   f32, f16, bf16  [cols][16]                  value of row r at [k][r]
//   q8...           [cols / 32][8][16][4]       code + 128 of inputs 4 g .. 4 g + 3 at [block][g][r]; in spans an even
//                                               number of blocks, the last one filled up with zero bytes
//   q4, q4_span     [cols / 32][4][16][4]       code + 8 of group g in the low, of group g + 4 in the high nibble
//   q4_min          the same with the code itself, 0 to 15
// and at scales_at of the panel f16 scales [cols / 32][16] (q8_half: [cols / 32][2][16]), then f16 minimums. With spans:
// f16 scales [spans][16], then (q4_span) shares [spans][16][4], a signed byte for each block of the span.
// The expanded formats begin with their f16 scales [spans][16]; on the next 64-byte boundary
//   q2_span         [cols / 32][2][16][4]       (code + 3) / 2 of group 4 v + s at [block][v][r], in bits 2 s and 2 s + 1
//   q3_span         [cols / 32][3][16][4]       code + 4 of groups 2 v and 2 v + 1 at [block][v][r], in bits 0 to 2 and 3 to 5; the upper
//                                               two bits of group 6 + v in bits 6 and 7, v < 2; the lowest ones of groups 6 and 7 there in v = 2
//   q4_sparse       [cols / 32][8] 64-bit       words: bit 4 r + j says that input 4 g + j is kept; behind all of them, block after block,
//                   [cols / 32][4] runs         of bytes: the n-th has code + 8 of the n-th kept weight of group g in the low, of group g + 4 in
//                                               the high nibble, and there are as many as the longer of both needs; 64 bytes may be read from any
struct Matrix {
    const uint8_t* data = nullptr;
    size_t panel_stride = 0;   // bytes
    size_t scales_at = 0;      // bytes from a panel's begin to its scales
    int rows = 0;
    int cols = 0;
    const uint8_t* read_end = nullptr;   // of weights too large for a cache: where this thread will stop reading; else null
};

// n activation rows. Row t is f32 + t * f32_stride; quantised it is q + t * q_stride, with scale, offset and half at
// t * (q_stride / 32). offset is -8 times the sum of a block's 32 codes, half the same of its first 16. Where weights in spans
// read them, the blocks of a span have one scale, and half is that of the whole span. What is quantised
// may be read (not used) up to the next multiple of 16 rows, and 32 codes beyond a row. Where it is rounded to bf16 instead, it lies in tiles of 16
// rows by 32 inputs: input k of row t is bf16[((t / 16) * (q_stride / 32) + k / 32) * 512 + t % 16 * 32 + k % 32].
struct Rows {
    const float* f32 = nullptr;
    size_t f32_stride = 0;
    const int8_t* q = nullptr;
    const uint16_t* bf16 = nullptr;
    const float* scale = nullptr;
    const int32_t* offset = nullptr;
    const int32_t* half = nullptr;
    size_t q_stride = 0;
};

// y[t * stride + row] = dot (+ bias[row]); when `add` is set the result is added to what y holds.
struct Output {
    float* y = nullptr;
    size_t stride = 0;
    const float* bias = nullptr;
    bool add = false;
};

using Product = void (*)(const Matrix& w, const Rows& x, int n, const Output& out, int panel_begin, int panel_end);
using Quantize = void (*)(const float* x, size_t k, int8_t* q, float* scale, int32_t* offset, int32_t* half);
using Elementwise = void (*)(float* x, size_t n);
using ToTiles = void (*)(const float* x, size_t n, uint16_t* tile);

enum class Activation { silu = 0, gelu = 1, gelu_tanh = 2, relu = 3, tanh = 4 };
constexpr int kActivations = 5;

// The codes of a panel that begin at `data` as q8_span has them: [blocks][8][16][4] bytes, code + 128. read_end: see Matrix.
using Expand = void (*)(const uint8_t* data, size_t blocks, uint8_t* to, const uint8_t* read_end);
constexpr size_t scales_before(size_t cols) { return (spans_of(cols) * kPanel * 2 + 63) / 64 * 64; }   // bytes to `data`

// y = one row times one panel of `rows` rows, without the way through a cache; the bits of q8_span.
struct Output;
struct Rows;
using OneRow = void (*)(const uint8_t* panel, int rows, int cols, const Rows& x, const Output& out, const uint8_t* read_end);

struct Expanding {
    Expand expand;
    OneRow one_row;   // null: expanded
};
struct Expands {
    Expanding q3_span, q2_span, q4_sparse;
    const Expanding& of(Format f) const { return f == Format::q3_span ? q3_span : f == Format::q2_span ? q2_span : q4_sparse; }
};

// The products of one instruction set; by Format.
struct Products {
    Product of[kFormats];
};

struct Kernels {
    const char* name;
    Products products;
    const Expands* expands;
    // k values to codes in [-127, 127] by blocks of 32: scale = max|x| / 127, ties to even. A block with a NaN or an
    // infinity gets a scale that is not finite, so that it reaches the logits.
    Quantize quantize;
    Quantize quantize_spans;   // the same with one scale, and one half, for every span of blocks, which each of its blocks is given
    Elementwise activate[kActivations];
    Elementwise exp;
    void (*multiply)(float* y, const float* x, size_t n);   // y *= x
    void (*add)(float* y, const float* x, size_t n);        // y += x
    void (*scale)(float* y, float factor, size_t n);        // y *= factor
    void (*rms_norm)(const float* x, const float* weight, size_t n, float epsilon, float* y);
    void (*layer_norm)(const float* x, const float* weight, const float* bias, size_t n, float epsilon, float* y);
    // Softmax of the first `valid` scores in place, zeros up to `length`; not divided by the sum, which is returned.
    float (*softmax)(float* scores, size_t valid, size_t length);
    // Rotates pairs by the angles of one position; `half` values in cos and sin, 2 * half in x.
    void (*rotate_halves)(float* x, const float* cos, const float* sin, size_t half);
    void (*rotate_pairs)(float* x, const float* cos, const float* sin, size_t half);
    // f32 to f16, nearest even, saturating at +-65504 (a cache must not turn large into infinite).
    void (*to_half)(const float* x, uint16_t* y, size_t n);
    void (*from_half)(const uint16_t* x, float* y, size_t n);
    // panel[k * 16 + r] = x[r * stride + k] of up to 16 rows, zeros for those that are missing: a panel of floats.
    void (*interleave)(const float* x, size_t stride, size_t rows, size_t width, float* panel);
    // For whole texts, where the processor does it faster: quantised weights times rows rounded to bf16, their sums in
    // float32. These bits are the set's own. Null where there is no such thing; to_tiles rounds n numbers (divisible by
    // 32) of a row, whose place in its first tile is `tile`.
    const Products* rounded_products;
    ToTiles to_tiles;
};

extern const Kernels kernels_ref;
#if defined(SW_X86)
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
extern const Kernels kernels_amx;
#elif defined(SW_NEON)
extern const Kernels kernels_neon;
extern const Kernels kernels_neon_i8mm;
#endif

// The best table that CPU and operating system support, or the one that SMALLWRIGHT_ISA names.
// Throws Error kind "unsupported_isa" when that name is unknown or cannot run here.
const Kernels& select_kernels();
// The same by name; the empty name means the best.
const Kernels& select_kernels(const char* name);

}  // namespace sw
