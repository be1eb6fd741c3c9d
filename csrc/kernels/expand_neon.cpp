// Codes of 2 and 3 bits and sparse ones to bytes, 16 (sparse: 8) at a time.
#include "kernels/kernels.h"

#include <arm_neon.h>

namespace sw {
namespace {

inline void split_nibbles(const uint8_t* codes, int8_t* low, int8_t* high) {
    for (int at = 0; at < 64; at += 16) {
        const uint8x16_t bytes = vld1q_u8(codes + at);
        vst1q_s8(low + at, vsubq_s8(vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15))), vdupq_n_s8(8)));
        vst1q_s8(high + at, vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4)), vdupq_n_s8(8)));
    }
}

inline void shuffle_8(const int8_t* from, const uint8_t* order, uint8_t* to) {
    const uint8x8_t moved = vtbl1_u8(vreinterpret_u8_s8(vld1_s8(from)), vld1_u8(order));   // 0 where the order is beyond
    vst1_u8(to, veor_u8(moved, vdup_n_u8(0x80)));
}

#include "kernels/expand_shuffle.inc"

inline uint8x16_t bits(uint8x16_t from, int down, uint8_t mask) { return vandq_u8(vshlq_u8(from, vdupq_n_s8((int8_t)-down)), vdupq_n_u8(mask)); }

void expand_q2(const uint8_t* data, size_t blocks, uint8_t* to, const uint8_t*) {
    for (size_t at = 0; at < blocks * 8; ++at) {
        for (int part = 0; part < 64; part += 16, to += 16) {
            const uint8x16_t code = bits(vld1q_u8(data + at / 4 * 64 + part), 2 * (int)(at % 4), 3);
            vst1q_u8(to, vaddq_u8(vaddq_u8(code, code), vdupq_n_u8(125)));
        }
    }
}

void expand_q3(const uint8_t* data, size_t blocks, uint8_t* to, const uint8_t*) {
    for (size_t b = 0; b < blocks; ++b, data += 192, to += 512) {
        for (int part = 0; part < 64; part += 16) {
            const auto put = [&](int g, uint8x16_t raised) { vst1q_u8(to + g * 64 + part, vaddq_u8(raised, vdupq_n_u8(124))); };
            const uint8x16_t last = vld1q_u8(data + 128 + part);
            for (int v = 0; v < 3; ++v) {
                const uint8x16_t pair = vld1q_u8(data + v * 64 + part);
                put(2 * v, bits(pair, 0, 7));
                put(2 * v + 1, bits(pair, 3, 7));
                if (v < 2) put(6 + v, vorrq_u8(bits(pair, 5, 6), bits(last, 6 + v, 1)));
            }
        }
    }
}

}  // namespace

extern const Expands expands_neon;
const Expands expands_neon{{expand_q3, nullptr}, {expand_q2, nullptr}, {expand_sparse, nullptr}};

}  // namespace sw
