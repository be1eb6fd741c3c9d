// AMX: 16 activation rows times a panel in one instruction a block. The dots are the integers of every other set, and
// they are scaled and summed in the same order, so the bits are the same too.
#include "kernels/kernels.h"

#include <immintrin.h>

namespace sw {

extern const Products products_avx512;

namespace {

inline void to_half_lanes(__m512 v, uint16_t* y) {
    _mm256_storeu_si256((__m256i*)y, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

inline __m512 from_half_lanes(const uint16_t* x) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)x)); }

#include "kernels/elementwise.inc"

constexpr int kRows = 16;         // activation rows of a tile
constexpr int kFewRows = 5;       // with fewer the tiles cost more than they save
constexpr size_t kGroup = 128;    // blocks that are unpacked at a time: 64 KiB, in the second cache

struct alignas(64) TileConfig {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
};

// Tiles 0 and 1: sums (rows of 16 numbers); 2: activations (rows of `inputs` codes); 3: a panel's codes.
void configure(int rows, int inputs) {
    TileConfig config;
    for (int i = 0; i < 4; ++i) config.row_bytes[i] = 64;
    config.rows[0] = config.rows[1] = config.rows[2] = (uint8_t)rows;
    config.row_bytes[2] = (uint16_t)inputs;
    config.rows[3] = (uint8_t)(inputs / 4);
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
        scales = (const uint16_t*)(codes + blocks * block_bytes);
        minimums = scales + blocks * kPanel * scales_of_one;
    }
};

// Adds scaled dots to the accumulators of `Count` rows.
template <int Count>
inline void accumulate(const int32_t* dots, __m512 w_scale, const float* x_scale, size_t x_blocks, __m512 (&acc)[Count]) {
#pragma GCC unroll 16
    for (int t = 0; t < Count; ++t) {
        const __m512 factor = _mm512_mul_ps(w_scale, _mm512_set1_ps(x_scale[t * x_blocks]));
        acc[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(dots + t * kPanel)), factor, acc[t]);
    }
}

// One dot of a whole block, or of its half, to `dots`; two tiles take turns so that one can be stored meanwhile.
inline void multiply_tiles(bool odd, const int8_t* x, size_t x_stride, const int8_t* w, int32_t* dots) {
    _tile_loadd(2, x, x_stride);
    _tile_loadd(3, w, 64);
    if (odd) {
        _tile_zero(1);
        _tile_dpbssd(1, 2, 3);
        _tile_stored(1, dots, 64);
    } else {
        _tile_zero(0);
        _tile_dpbssd(0, 2, 3);
        _tile_stored(0, dots, 64);
    }
}

// Blocks [first, first + blocks) of a panel times `Count` rows from t0: the sums so far are in `sums`.
template <Format F, int Count>
void tile(const Panel<F>& panel, const int8_t* codes, size_t first, size_t blocks, const Rows& x, int t0, float* sums) {
    constexpr int halves = Panel<F>::scales_of_one, part = kBlock / halves;
    const size_t x_blocks = x.q_stride / kBlock;
    const int8_t* q = x.q + (size_t)t0 * x.q_stride + first * kBlock;
    const size_t x_at = (size_t)t0 * x_blocks + first;
    alignas(64) int32_t dots[2][kRows * kPanel];
    __m512 acc[Count];
    for (int t = 0; t < Count; ++t) acc[t] = _mm512_loadu_ps(sums + t * kPanel);
    const size_t steps = blocks * halves;
    multiply_tiles(false, q, x.q_stride, codes, dots[0]);
    for (size_t s = 0; s < steps; ++s) {
        if (s + 1 < steps) multiply_tiles((s + 1) % 2, q + (s + 1) * part, x.q_stride, codes + (s + 1) * part * kPanel, dots[(s + 1) % 2]);
        accumulate<Count>(dots[s % 2], from_half_lanes(panel.scales + (first * halves + s) * kPanel), x.scale + x_at + s / halves, x_blocks, acc);
        if (!has_minimum(F)) continue;
        const __m512 least = from_half_lanes(panel.minimums + (first + s) * kPanel);
        for (int t = 0; t < Count; ++t) {
            const size_t at = x_at + t * x_blocks + s;
            acc[t] = _mm512_fmadd_ps(_mm512_set1_ps((float)x.offset[at] * -0.125f), _mm512_mul_ps(least, _mm512_set1_ps(x.scale[at])), acc[t]);
        }
    }
    for (int t = 0; t < Count; ++t) _mm512_storeu_ps(sums + t * kPanel, acc[t]);
}

template <Format F, int Count>
void tile_of(int count, const Panel<F>& panel, const int8_t* codes, size_t first, size_t blocks, const Rows& x, int t0, float* sums) {
    if constexpr (Count > 1) {
        if (count < Count) return tile_of<F, Count - 1>(count, panel, codes, first, blocks, x, t0, sums);
    }
    tile<F, Count>(panel, codes, first, blocks, x, t0, sums);
}

void write(const float* sums, int count, int row, int rows, int t0, const Output& out) {
    const int left = rows - row;
    const __mmask16 mask = left >= kPanel ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
    for (int t = 0; t < count; ++t) {
        __m512 acc = _mm512_loadu_ps(sums + t * kPanel);
        if (out.bias) acc = _mm512_add_ps(acc, _mm512_maskz_loadu_ps(mask, out.bias + row));
        float* y = out.y + (size_t)(t0 + t) * out.stride + row;
        if (out.add) acc = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), acc);
        _mm512_mask_storeu_ps(y, mask, acc);
    }
}

template <Format F>
void product(const Matrix& w, const Rows& x, int n, const Output& out, int begin, int end) {
    if (n < kFewRows) return products_avx512.of[(int)F](w, x, n, out, begin, end);
    constexpr int inputs = kBlock / scales_of_block(F);
    constexpr int kMost = 512;   // rows whose sums wait between groups of blocks
    alignas(64) static thread_local int8_t codes[kGroup * kBlock * kPanel];
    alignas(64) static thread_local float sums[kMost * kPanel];
    const size_t blocks = (size_t)w.cols / kBlock;
    for (int from = 0; from < n; from += kMost) {
        const int count = n - from < kMost ? n - from : kMost;
        for (int p = begin; p < end; ++p) {
            const Panel<F> panel(w, p);
            __builtin_memset(sums, 0, (size_t)count * kPanel * sizeof(float));
            for (size_t first = 0; first < blocks; first += kGroup) {
                const size_t part = blocks - first < kGroup ? blocks - first : kGroup;
                unpack<F>(panel.codes + first * Panel<F>::block_bytes, part, codes);
                configure(kRows, inputs);
                int t = 0;
                for (; t + kRows <= count; t += kRows) tile<F, kRows>(panel, codes, first, part, x, from + t, sums + (size_t)t * kPanel);
                if (t == count) continue;
                configure(count - t, inputs);
                tile_of<F, kRows - 1>(count - t, panel, codes, first, part, x, from + t, sums + (size_t)t * kPanel);
            }
            write(sums, count, p * kPanel, w.rows, from, out);
        }
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
