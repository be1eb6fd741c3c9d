// AMX: 16 activation rows times a panel in one instruction a block. The dots are the integers of every other set, and
// they are scaled and summed in the same order, so the bits are the same too.
#include "kernels/kernels.h"
#include "kernels/memory.h"

#include <immintrin.h>

namespace sw {

extern const Products products_avx512;

namespace {

inline void to_half_lanes(__m512 v, uint16_t* y) {
    _mm256_storeu_si256((__m256i*)y, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

inline __m512 from_half_lanes(const uint16_t* x) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)x)); }

#include "kernels/elementwise.inc"

constexpr int kRows = 16;      // activation rows of a tile
constexpr int kFewRows = 6;    // with fewer, tiles cost more than they save
// A tile's sums are read from memory only once they have left the processor's queues, some 130 cycles after they were
// asked for. So dots are asked for in batches, and a batch is read when the next one has been asked for.
constexpr int kBatch = 4;

struct alignas(64) TileConfig {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
};

// Tiles 0 to 3: sums; 4 and 5: 16 rows of `inputs` activations; 6 and 7: a panel's codes for as many inputs.
void configure(int inputs) {
    TileConfig config;
    for (int i = 0; i < 8; ++i) {
        config.rows[i] = (uint8_t)(i < 6 ? kRows : inputs / 4);
        config.row_bytes[i] = (uint16_t)(i == 4 || i == 5 ? inputs : 64);
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(config));   // gcc 12's intrinsic tells the compiler of 8 of the 64 bytes only
}

// Blocks of a panel as signed bytes [block][8][16][4], as the file's format means them.
template <Format F>
void unpack(const uint8_t* codes, size_t blocks, int8_t* to) {
    if (code_bits(F) == 8) {
        const __m512i flip = _mm512_set1_epi8((char)0x80);
        for (size_t i = 0; i < blocks * 8; ++i)
            _mm512_store_si512(to + i * 64, _mm512_xor_si512(_mm512_loadu_si512(codes + i * 64), flip));
        return;
    }
    const __m512i mask = _mm512_set1_epi8(15), middle = _mm512_set1_epi8(F == Format::q4 ? 8 : 0);
    for (size_t b = 0; b < blocks; ++b) {
        for (int g = 0; g < 4; ++g) {
            const __m512i pair = _mm512_loadu_si512(codes + b * 256 + g * 64);
            _mm512_store_si512(to + b * 512 + g * 64, _mm512_sub_epi8(_mm512_and_si512(pair, mask), middle));
            _mm512_store_si512(to + b * 512 + g * 64 + 256, _mm512_sub_epi8(_mm512_and_si512(_mm512_srli_epi16(pair, 4), mask), middle));
        }
    }
}

template <Format F>
struct Panel {
    static constexpr size_t block_bytes = (size_t)kPanel * kBlock * code_bits(F) / 8;
    static constexpr int scales_of_one = scales_of_block(F);
    const uint8_t* codes;
    const uint16_t* scales;
    const uint16_t* minimums;
    Panel(const Matrix& w, int p) : codes(w.data + (size_t)p * w.panel_stride) {
        const size_t blocks = (size_t)w.cols / kBlock;
        scales = (const uint16_t*)(codes + w.scales_at);
        minimums = scales + blocks * kPanel * scales_of_one;
    }
};

// A macro, because the intrinsics take the numbers of tiles as they are spelt.
#define SW_ASK(sum, x_tile, w_tile, part_of_batch)                    \
    if (count > part_of_batch) {                                      \
        _tile_zero(sum);                                              \
        _tile_loadd(x_tile, x + part_of_batch * part, x_stride);      \
        _tile_loadd(w_tile, w + part_of_batch * part * kPanel, 64);   \
        _tile_dpbssd(sum, x_tile, w_tile);                            \
        _tile_stored(sum, dots[part_of_batch], 64);                   \
    }

// The dots of up to kBatch parts of 16 rows; `part` inputs each.
inline void ask_batch(size_t count, size_t part, const int8_t* x, size_t x_stride, const int8_t* w, int32_t (*dots)[kRows * kPanel]) {
    // Sixteen rows are sixteen streams, more than the processor follows by itself.
    for (int row = 0; row < kRows; ++row)
        for (size_t line = 0; line < kBatch * part; line += 64)
            _mm_prefetch((const char*)x + row * x_stride + kBatch * part + line, _MM_HINT_T0);
    SW_ASK(0, 4, 6, 0)
    SW_ASK(1, 5, 7, 1)
    SW_ASK(2, 4, 6, 2)
    SW_ASK(3, 5, 7, 3)
}

// Adds the scaled dots of one part to the accumulators of 16 rows.
inline void accumulate(const int32_t* dots, __m512 w_scale, const float* x_scale, size_t x_blocks, __m512 (&acc)[kRows]) {
#pragma GCC unroll 16
    for (int t = 0; t < kRows; ++t) {
        const __m512 factor = _mm512_mul_ps(w_scale, _mm512_set1_ps(x_scale[t * x_blocks]));
        acc[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(dots + t * kPanel)), factor, acc[t]);
    }
}

inline void add_minimum(const int32_t* offset, __m512 minimum, const float* x_scale, size_t x_blocks, __m512 (&acc)[kRows]) {
#pragma GCC unroll 16
    for (int t = 0; t < kRows; ++t) {
        const __m512 factor = _mm512_mul_ps(minimum, _mm512_set1_ps(x_scale[t * x_blocks]));
        acc[t] = _mm512_fmadd_ps(_mm512_set1_ps((float)offset[t * x_blocks] * -0.125f), factor, acc[t]);
    }
}

inline void write(const __m512 (&acc)[kRows], int count, int row, int rows, int t0, const Output& out) {
    const int left = rows - row;
    const __mmask16 mask = left >= kPanel ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
    const __m512 bias = out.bias ? _mm512_maskz_loadu_ps(mask, out.bias + row) : _mm512_setzero_ps();
#pragma GCC unroll 16
    for (int t = 0; t < kRows; ++t) {
        if (t >= count) return;
        __m512 value = out.bias ? _mm512_add_ps(acc[t], bias) : acc[t];
        float* y = out.y + (size_t)(t0 + t) * out.stride + row;
        if (out.add) value = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), value);
        _mm512_mask_storeu_ps(y, mask, value);
    }
}

// A panel, unpacked in `codes`, times all rows. The next batch is asked for across the borders of the tiles.
template <Format F>
void multiply_panel(const Matrix& w, int p, const int8_t* codes, const Rows& x, int n, const Output& out) {
    constexpr size_t parts = scales_of_block(F), part = kBlock / parts;
    const Panel<F> panel(w, p);
    const size_t steps = (size_t)w.cols / part, x_blocks = x.q_stride / kBlock;
    alignas(64) int32_t dots[2][kBatch][kRows * kPanel];
    bool odd = false;
    const auto ask_for = [&](int t0, size_t s, bool where) {
        ask_batch(steps - s, part, x.q + (size_t)t0 * x.q_stride + s * part, x.q_stride, codes + s * part * kPanel, dots[where]);
    };
    ask_for(0, 0, odd);
    for (int t0 = 0; t0 < n; t0 += kRows) {
        __m512 acc[kRows];
        for (__m512& sum : acc) sum = _mm512_setzero_ps();
        const float* x_scale = x.scale + (size_t)t0 * x_blocks;
        const int32_t* x_offset = x.offset + (size_t)t0 * x_blocks;
        for (size_t s = 0; s < steps; s += kBatch) {
            if (s + kBatch < steps) ask_for(t0, s + kBatch, !odd);
            else if (t0 + kRows < n) ask_for(t0 + kRows, 0, !odd);
            for (size_t i = 0; i < kBatch && s + i < steps; ++i) {
                const size_t b = (s + i) / parts;
                accumulate(dots[odd][i], from_half_lanes(panel.scales + (s + i) * kPanel), x_scale + b, x_blocks, acc);
                if (has_minimum(F)) add_minimum(x_offset + b, from_half_lanes(panel.minimums + b * kPanel), x_scale + b, x_blocks, acc);
            }
            odd = !odd;
        }
        write(acc, n - t0, p * kPanel, w.rows, t0, out);
    }
}

// A thread's own place for an unpacked panel.
__attribute__((noinline)) int8_t* unpacked_panel(size_t size_bytes) {
    static thread_local Buffer panel;
    if (panel.size_bytes() < size_bytes) panel = Buffer(size_bytes);
    return panel.as<int8_t>();
}

template <Format F>
void product(const Matrix& w, const Rows& x, int n, const Output& out, int begin, int end) {
    if (n < kFewRows) return products_avx512.of[(int)F](w, x, n, out, begin, end);
    int8_t* const codes = unpacked_panel((size_t)w.cols * kPanel);
    configure(kBlock / scales_of_block(F));
    for (int p = begin; p < end; ++p) {
        unpack<F>(w.data + (size_t)p * w.panel_stride, (size_t)w.cols / kBlock, codes);
        multiply_panel<F>(w, p, codes, x, n, out);
    }
    _tile_release();
}

constexpr Products all_products() {
    return Products{{[](const Matrix& w, const Rows& x, int n, const Output& out, int b, int e) { products_avx512.of[0](w, x, n, out, b, e); },
                     [](const Matrix& w, const Rows& x, int n, const Output& out, int b, int e) { products_avx512.of[1](w, x, n, out, b, e); },
                     [](const Matrix& w, const Rows& x, int n, const Output& out, int b, int e) { products_avx512.of[2](w, x, n, out, b, e); },
                     product<Format::q8>, product<Format::q8_min>, product<Format::q8_half>, product<Format::q4>, product<Format::q4_min>}};
}

}  // namespace

extern const Kernels kernels_amx;
const Kernels kernels_amx = make_table("amx", all_products());

}  // namespace sw
