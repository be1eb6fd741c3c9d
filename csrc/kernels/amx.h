// What the files of AMX share: a panel's parts, and how tiles are set up. Only they include it, for it needs their flags.
#pragma once

#include <immintrin.h>

#include "kernels/kernels.h"

namespace sw {

// By rows that are rounded to bf16 (amx_bf16.cpp).
extern const Products products_amx_bf16;
extern const ToTiles to_tiles_amx;

namespace {

constexpr int kRows = 16;   // activation rows of a tile

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
    Panel(const Matrix& w, int p) : codes(w.data + (size_t)p * w.panel_stride) {
        const size_t blocks = (size_t)w.cols / kBlock;
        scales = (const uint16_t*)(codes + w.scales_at);
        minimums = scales + blocks * kPanel * scales_of_one;
    }
};

}  // namespace

}  // namespace sw
