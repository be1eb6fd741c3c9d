// What the files of AMX share: a panel's parts, and how tiles are set up. Only they include it, for it needs their flags.
#pragma once

#include <immintrin.h>

#include "kernels/kernels.h"

namespace sw {

// By rows that are rounded to bf16 (amx_bf16.cpp).
extern const Products products_amx_bf16;
extern const ToTiles to_tiles_amx;
// By weights in spans (amx_spans.cpp).
extern const Product product_amx_q8_span, product_amx_q4_span;

namespace {

constexpr int kRows = 16;                          // activation rows of a tile
constexpr size_t kSums = (size_t)kRows * kPanel;   // results of a tile

struct alignas(64) TileConfig {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};

    void load() const {
        __asm__ volatile("ldtilecfg %0" ::"m"(*this));   // gcc 12's intrinsic tells the compiler of 8 of the 64 bytes only
    }
};

template <Format F>
struct Panel {
    static constexpr size_t block_bytes = (size_t)kPanel * kBlock * code_bits(F) / 8;
    static constexpr int scales_of_one = scales_of_block(F);
    const uint8_t* codes;
    const uint16_t* scales;
    const uint16_t* minimums;
    const uint8_t* shares;   // q4_span
    Panel(const Matrix& w, int p) : codes(w.data + (size_t)p * w.panel_stride) {
        const size_t blocks = (size_t)w.cols / kBlock;
        scales = (const uint16_t*)(codes + w.scales_at);
        minimums = scales + blocks * kPanel * scales_of_one;
        shares = (const uint8_t*)(scales + spans_of((size_t)w.cols) * kPanel);
    }
};

// The first `count` of R rows of a panel's results.
template <int R>
inline void write(const __m512 (&acc)[R], int count, int row, int rows, int t0, const Output& out) {
    const int left = rows - row;
    const __mmask16 mask = left >= kPanel ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
    const __m512 bias = out.bias ? _mm512_maskz_loadu_ps(mask, out.bias + row) : _mm512_setzero_ps();
#pragma GCC unroll 16
    for (int t = 0; t < R; ++t) {
        if (t >= count) return;
        __m512 value = out.bias ? _mm512_add_ps(acc[t], bias) : acc[t];
        float* y = out.y + (size_t)(t0 + t) * out.stride + row;
        if (out.add) value = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y), value);
        _mm512_mask_storeu_ps(y, mask, value);
    }
}

}  // namespace

}  // namespace sw
