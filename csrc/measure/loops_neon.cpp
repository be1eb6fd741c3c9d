// Arm's Advanced SIMD: four products of bytes in one instruction where the file's flags allow it, else by way of 16 bits.
#include "measure/loops.h"

#if defined(__aarch64__)
#include <arm_neon.h>

namespace sw {
namespace {

constexpr int kReadAccumulators = 8, kAccumulators = 16;

inline void forget() { __asm__ volatile("" ::: "memory"); }

template <bool Ahead>
uint64_t read(const uint8_t* data, size_t size_bytes, size_t passes) {
    uint64x2_t acc[kReadAccumulators];
    for (auto& a : acc) a = vdupq_n_u64(0);
    for (size_t pass = 0; pass < passes; ++pass) {
        for (size_t at = 0; at < size_bytes; at += 16 * kReadAccumulators) {
            if (Ahead) {
                __builtin_prefetch(data + at + 4096);
                __builtin_prefetch(data + at + 4096 + 64);
            }
            for (int k = 0; k < kReadAccumulators; ++k)
                acc[k] = veorq_u64(acc[k], vreinterpretq_u64_u8(vld1q_u8(data + at + 16 * k)));
        }
        forget();
    }
    for (int k = 1; k < kReadAccumulators; ++k) acc[0] = vaddq_u64(acc[0], acc[k]);
    return vgetq_lane_u64(acc[0], 0) + vgetq_lane_u64(acc[0], 1);
}

inline int32x4_t dot(int32x4_t sum, int8x16_t x, int8x16_t w) {
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(sum, x, w);
#else
    const int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(w));
    return vpadalq_s16(sum, vmlal_high_s8(low, x, w));
#endif
}

uint64_t int8_dot(size_t rounds) {
    int32x4_t acc[kAccumulators];
    int8x16_t x = vdupq_n_s8(3), w = vdupq_n_s8(-1);
    for (int k = 0; k < kAccumulators; ++k) acc[k] = vdupq_n_s32(k);
    for (size_t round = 0; round < rounds; ++round)
        for (int k = 0; k < kAccumulators; ++k) {
            __asm__ volatile("" : "+w"(x), "+w"(w));   // else one product would serve all accumulators
            acc[k] = dot(acc[k], x, w);
        }
    for (int k = 1; k < kAccumulators; ++k) acc[0] = vaddq_s32(acc[0], acc[k]);
    return (uint64_t)(int64_t)vaddvq_s32(acc[0]);
}

uint64_t multiply_add(size_t rounds) {
    float32x4_t acc[kAccumulators];
    const float32x4_t x = vdupq_n_f32(0.999f), y = vdupq_n_f32(1e-3f);
    for (int k = 0; k < kAccumulators; ++k) acc[k] = vdupq_n_f32((float)k);
    for (size_t round = 0; round < rounds; ++round)
        for (int k = 0; k < kAccumulators; ++k) acc[k] = vfmaq_f32(y, acc[k], x);
    for (int k = 1; k < kAccumulators; ++k) acc[0] = vaddq_f32(acc[0], acc[k]);
    return (uint64_t)(vaddvq_f32(acc[0]) * 1e3f);
}

}  // namespace

extern const Loops loops_neon;
const Loops loops_neon = {"neon",       read<false>,           read<true>, int8_dot, kAccumulators * 16 * 2,
                          multiply_add, kAccumulators * 4 * 2};

}  // namespace sw
#endif
