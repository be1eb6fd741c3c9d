// AMX: 16 activation rows times a panel in one instruction a block. The dots are the integers of every other set, and
// they are scaled and summed in the same order, so the bits are the same too.
#include "kernels/amx.h"

#include "kernels/memory.h"

namespace sw {

extern const Expands expands_avx512;

extern const Products products_avx512;

namespace {

inline void to_half_lanes(__m512 v, uint16_t* y) {
    _mm256_storeu_si256((__m256i*)y, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

inline __m512 from_half_lanes(const uint16_t* x) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)x)); }

inline __m512 fuse(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }

#include "kernels/elementwise.inc"

constexpr int kFewRows = 17;   // with fewer, unpacking a panel costs more than its tiles save
// A tile's sums go through memory, which takes a while. So dots are asked for four parts ahead of their use, into a ring
// of eight; more parts ahead were not faster.
constexpr size_t kAhead = 4, kRing = 8;

// Tile 0: sums; 1: 16 rows of `inputs` activations; 2: a panel's codes for as many inputs.
void configure(int inputs) {
    TileConfig config;
    for (int i = 0; i < 3; ++i) {
        config.rows[i] = (uint8_t)(i < 2 ? kRows : inputs / 4);
        config.row_bytes[i] = (uint16_t)(i == 1 ? inputs : 64);
    }
    config.load();
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

// The dots of one part of 16 rows with one part of a panel. The processor renames tiles: three are enough.
inline void ask(const int8_t* x, size_t x_stride, const int8_t* w, int32_t* dots) {
    _tile_zero(0);
    _tile_loadd(1, x, x_stride);
    _tile_loadd(2, w, 64);
    _tile_dpbssd(0, 1, 2);
    _tile_stored(0, dots, 64);
}

// What the accumulators of 16 rows need of the activations, by part: [tile of rows][block][16].
struct Scales {
    const float* scale;
    const float* sum;   // of the codes; only where the weights have minimums
};

// Adds the scaled dots of one part to the accumulators of 16 rows.
inline void accumulate(const int32_t* dots, __m512 w_scale, const float* x_scale, __m512 (&acc)[kRows]) {
#pragma GCC unroll 16
    for (int t = 0; t < kRows; ++t) {
        const __m512 factor = _mm512_mul_ps(w_scale, _mm512_set1_ps(x_scale[t]));
        acc[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(dots + t * kPanel)), factor, acc[t]);
    }
}

inline void add_minimum(const float* sum, __m512 minimum, const float* x_scale, __m512 (&acc)[kRows]) {
#pragma GCC unroll 16
    for (int t = 0; t < kRows; ++t) {
        const __m512 factor = _mm512_mul_ps(minimum, _mm512_set1_ps(x_scale[t]));
        acc[t] = _mm512_fmadd_ps(_mm512_set1_ps(sum[t]), factor, acc[t]);
    }
}

// A panel, unpacked in `codes`, times all rows. The parts of all tiles of rows are one sequence: while a tile's last
// parts are summed, the next tile's first are asked for.
template <Format F>
void multiply_panel(const Matrix& w, int p, const int8_t* codes, const Rows& x, const Scales& scales, int n, const Output& out) {
    constexpr size_t parts = scales_of_block(F), part = kBlock / parts;
    const Panel<F> panel(w, p);
    const size_t steps = (size_t)w.cols / part, tiles = ((size_t)n + kRows - 1) / kRows, x_stride = x.q_stride;
    alignas(64) int32_t dots[kRing][kRows * kPanel];
    size_t asked = 0, asked_step = 0;
    const int8_t *x_next = x.q, *codes_next = codes;
    const auto ask_next = [&] {
        if (asked == tiles * steps) return;
        // Sixteen rows are sixteen streams, more than the processor follows by itself: a line of each holds 64 inputs.
        if (asked_step * part % 64 == 0)
            for (int row = 0; row < kRows; ++row) _mm_prefetch((const char*)x_next + (size_t)row * x_stride + 128, _MM_HINT_T0);
        ask(x_next, x_stride, codes_next, dots[asked++ % kRing]);
        x_next += part;
        codes_next += part * kPanel;
        if (++asked_step < steps) return;
        asked_step = 0;
        x_next += kRows * x_stride - steps * part;
        codes_next = codes;
    };
    for (size_t i = 0; i < kAhead; ++i) ask_next();
    const float *x_scale = scales.scale, *x_sum = scales.sum;
    size_t taken = 0;
    for (size_t tile = 0; tile < tiles; ++tile) {
        __m512 acc[kRows];
        for (__m512& sum : acc) sum = _mm512_setzero_ps();
        for (size_t step = 0; step < steps; ++step) {
            ask_next();
            accumulate(dots[taken++ % kRing], from_half_lanes(panel.scales + step * kPanel), x_scale, acc);
            if ((step + 1) % parts) continue;
            if (has_minimum(F)) add_minimum(x_sum, from_half_lanes(panel.minimums + step / parts * kPanel), x_scale, acc);
            x_scale += kRows;
            x_sum += kRows;
        }
        write(acc, n - (int)tile * kRows, p * kPanel, w.rows, (int)tile * kRows, out);
    }
}

// A thread's own place for an unpacked panel and the scales of all rows.
__attribute__((noinline)) uint8_t* scratch(size_t size_bytes) {
    static thread_local Buffer memory;
    if (memory.size_bytes() < size_bytes) memory = Buffer(size_bytes);
    return memory.as();
}

Scales transpose_scales(const Rows& x, size_t tiles, size_t blocks, bool minimum, float* to) {
    const size_t x_blocks = x.q_stride / kBlock;
    float* const sum = to + tiles * blocks * kRows;
    for (size_t tile = 0; tile < tiles; ++tile)
        for (size_t row = 0; row < (size_t)kRows; ++row)
            for (size_t b = 0; b < blocks; ++b) {
                const size_t from = (tile * kRows + row) * x_blocks + b, at = (tile * blocks + b) * kRows + row;
                to[at] = x.scale[from];
                if (minimum) sum[at] = (float)x.offset[from] * -0.125f;
            }
    return {to, sum};
}

template <Format F>
void product(const Matrix& w, const Rows& x, int n, const Output& out, int begin, int end) {
    if (n < kFewRows) return products_avx512.of[(int)F](w, x, n, out, begin, end);
    const size_t tiles = ((size_t)n + kRows - 1) / kRows, codes_bytes = (size_t)w.cols * kPanel, blocks = (size_t)w.cols / kBlock;
    const size_t scales_bytes = tiles * blocks * kRows * sizeof(float);
    uint8_t* const memory = scratch(codes_bytes + scales_bytes * (has_minimum(F) ? 2 : 1));
    int8_t* const codes = (int8_t*)memory;
    const Scales scales = transpose_scales(x, tiles, blocks, has_minimum(F), (float*)(memory + codes_bytes));
    configure(kBlock / scales_of_block(F));
    for (int p = begin; p < end; ++p) {
        unpack<F>(w.data + (size_t)p * w.panel_stride, blocks, codes);
        multiply_panel<F>(w, p, codes, x, scales, n, out);
    }
    _tile_release();
}

constexpr Products all_products() {
    return Products{{[](const Matrix& w, const Rows& x, int n, const Output& out, int b, int e) { products_avx512.of[0](w, x, n, out, b, e); },
                     [](const Matrix& w, const Rows& x, int n, const Output& out, int b, int e) { products_avx512.of[1](w, x, n, out, b, e); },
                     [](const Matrix& w, const Rows& x, int n, const Output& out, int b, int e) { products_avx512.of[2](w, x, n, out, b, e); },
                     product<Format::q8>, product<Format::q8_min>, product<Format::q8_half>,
                     [](const Matrix& w, const Rows& x, int n, const Output& out, int b, int e) { product_amx_q8_span(w, x, n, out, b, e); },
                     product<Format::q4>, product<Format::q4_min>,
                     [](const Matrix& w, const Rows& x, int n, const Output& out, int b, int e) { product_amx_q4_span(w, x, n, out, b, e); }}};
}

}  // namespace

extern const Kernels kernels_amx;
const Kernels kernels_amx = [] {
    Kernels table = make_table("amx", all_products(), &expands_avx512);
    table.rounded_products = &products_amx_bf16;
    table.to_tiles = [](const float* x, size_t n, uint16_t* tile) { to_tiles_amx(x, n, tile); };
    return table;
}();

}  // namespace sw
