// The readable meaning of every kernel; it runs everywhere and is what the other tables are tested against.
#include "kernels/kernels.h"

namespace sw {
namespace {

typedef float LanesFwd __attribute__((vector_size(64)));

inline float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, mantissa = h & 1023, u;
    if (exponent == 31) {
        u = sign | 0x7f800000 | (mantissa << 13) | (mantissa ? 0x400000u : 0u);   // NaNs are made quiet
    } else if (exponent != 0) {
        u = sign | ((exponent + 112) << 23) | (mantissa << 13);
    } else {
        float value = (float)mantissa * 5.9604644775390625e-8f;   // 2^-24: exact
        __builtin_memcpy(&u, &value, 4);
        u |= sign;
    }
    float f;
    __builtin_memcpy(&f, &u, 4);
    return f;
}

inline uint16_t float_to_half(float f) {
    uint32_t u;
    __builtin_memcpy(&u, &f, 4);
    uint32_t sign = (u >> 16) & 0x8000, a = u & 0x7fffffff;
    if (a > 0x7f800000) return (uint16_t)(sign | 0x7e00 | ((a >> 13) & 0x3ff));
    if (a >= 0x47800000) return (uint16_t)(sign | 0x7c00);
    if (a < 0x38800000) {   // subnormal: adding 0.5 leaves the rounded mantissa in the low bits
        float v;
        __builtin_memcpy(&v, &a, 4);
        v += 0.5f;
        __builtin_memcpy(&a, &v, 4);
        return (uint16_t)(sign | (a - 0x3f000000));
    }
    a += 0xfff + ((a >> 13) & 1);
    return (uint16_t)(sign | ((a - 0x38000000) >> 13));
}

inline void to_half_lanes(LanesFwd v, uint16_t* y) {
    for (int i = 0; i < 16; ++i) y[i] = float_to_half(v[i]);
}

inline LanesFwd from_half_lanes(const uint16_t* x) {
    LanesFwd v{};
    for (int i = 0; i < 16; ++i) v[i] = half_to_float(x[i]);
    return v;
}

inline float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }   // a b + c, rounded once

inline LanesFwd fuse(LanesFwd a, LanesFwd b, LanesFwd c) {
    for (int i = 0; i < 16; ++i) c[i] = fused(a[i], b[i], c[i]);
    return c;
}

#include "kernels/elementwise.inc"

void write(const float* acc, int row, int rows, int t, const Output& out) {
    for (int r = 0; r < kPanel && row + r < rows; ++r) {
        float v = acc[r];
        if (out.bias) v = v + out.bias[row + r];
        float* y = out.y + (size_t)t * out.stride + row + r;
        *y = out.add ? *y + v : v;
    }
}

constexpr int kTokens = 8;   // rows that share the decoding of a weight

template <Format F>
inline float float_at(const uint8_t* panel, size_t at) {
    if (F == Format::f32) return ((const float*)panel)[at];
    if (F == Format::f16) return half_to_float(((const uint16_t*)panel)[at]);
    const uint32_t bits = (uint32_t)((const uint16_t*)panel)[at] << 16;
    float value;
    __builtin_memcpy(&value, &bits, 4);
    return value;
}

template <Format F>
void product_float(const Matrix& w, const Rows& x, int n, const Output& out, int begin, int end) {
    for (int p = begin; p < end; ++p) {
        const uint8_t* panel = w.data + (size_t)p * w.panel_stride;
        for (int t0 = 0; t0 < n; t0 += kTokens) {
            const int count = n - t0 < kTokens ? n - t0 : kTokens;
            float acc[kTokens][kPanel] = {};
            for (int k = 0; k < w.cols; ++k) {
                float value[kPanel];
                for (int r = 0; r < kPanel; ++r) value[r] = float_at<F>(panel, (size_t)k * kPanel + r);
                for (int t = 0; t < count; ++t) {
                    const float in = x.f32[(size_t)(t0 + t) * x.f32_stride + k];
                    for (int r = 0; r < kPanel; ++r) acc[t][r] = fused(value[r], in, acc[t][r]);
                }
            }
            for (int t = 0; t < count; ++t) write(acc[t], p * kPanel, w.rows, t0 + t, out);
        }
    }
}

// The codes of a block as [input][row], as the file's format means them.
template <Format F>
void decode(const uint8_t* block, int16_t codes[kBlock][kPanel]) {
    constexpr bool bytes = code_bits(F) == 8;
    constexpr int middle = bytes ? 128 : F == Format::q4_min ? 0 : 8;
    for (int k = 0; k < kBlock; ++k) {
        const uint8_t* group = block + (size_t)(bytes ? k / 4 : k / 4 % 4) * kPanel * 4 + k % 4;
        for (int r = 0; r < kPanel; ++r) {
            const uint8_t byte = group[r * 4];
            codes[k][r] = (int16_t)((bytes ? byte : k < 16 ? byte & 15 : byte >> 4) - middle);
        }
    }
}

// A span at a time: whole numbers, scaled once.
template <Format F>
void product_spans(const Matrix& w, const Rows& x, int n, const Output& out, int begin, int end) {
    const size_t blocks = (size_t)w.cols / kBlock, block_bytes = (size_t)kPanel * kBlock * code_bits(F) / 8, spans = spans_of((size_t)w.cols);
    for (int p = begin; p < end; ++p) {
        const uint8_t* panel = w.data + (size_t)p * w.panel_stride;
        const uint16_t* scales = (const uint16_t*)(panel + w.scales_at);
        const int8_t* shares = (const int8_t*)(scales + spans * kPanel);
        for (int t0 = 0; t0 < n; t0 += kTokens) {
            const int count = n - t0 < kTokens ? n - t0 : kTokens;
            float acc[kTokens][kPanel] = {};
            for (size_t s = 0; s < spans; ++s) {
                int32_t dot[kTokens][kPanel] = {};
                for (size_t b = s * kSpanBlocks; b < blocks && b < (s + 1) * kSpanBlocks; ++b) {
                    int16_t codes[kBlock][kPanel];
                    decode<F>(panel + b * block_bytes, codes);
                    if (F == Format::q4_span)
                        for (int k = 0; k < kBlock; ++k)
                            for (int r = 0; r < kPanel; ++r) codes[k][r] = (int16_t)(codes[k][r] * shares[(s * kPanel + r) * kSpanBlocks + b % kSpanBlocks]);
                    for (int t = 0; t < count; ++t) {
                        const int8_t* q = x.q + (size_t)(t0 + t) * x.q_stride + b * kBlock;
                        for (int k = 0; k < kBlock; ++k)
                            for (int r = 0; r < kPanel; ++r) dot[t][r] += codes[k][r] * q[k];
                    }
                }
                for (int t = 0; t < count; ++t) {
                    const float x_scale = x.scale[(size_t)(t0 + t) * (x.q_stride / kBlock) + s * kSpanBlocks];
                    for (int r = 0; r < kPanel; ++r) acc[t][r] = fused((float)dot[t][r], half_to_float(scales[s * kPanel + r]) * x_scale, acc[t][r]);
                }
            }
            for (int t = 0; t < count; ++t) write(acc[t], p * kPanel, w.rows, t0 + t, out);
        }
    }
}

template <Format F>
void product_quantized(const Matrix& w, const Rows& x, int n, const Output& out, int begin, int end) {
    constexpr int parts = scales_of_block(F), part = kBlock / parts;
    const size_t blocks = (size_t)w.cols / kBlock, block_bytes = (size_t)kPanel * kBlock * code_bits(F) / 8;
    for (int p = begin; p < end; ++p) {
        const uint8_t* panel = w.data + (size_t)p * w.panel_stride;
        const uint16_t* scales = (const uint16_t*)(panel + w.scales_at);
        const uint16_t* minimums = scales + blocks * parts * kPanel;
        for (int t0 = 0; t0 < n; t0 += kTokens) {
            const int count = n - t0 < kTokens ? n - t0 : kTokens;
            float acc[kTokens][kPanel] = {};
            for (size_t b = 0; b < blocks; ++b) {
                int16_t codes[kBlock][kPanel];
                decode<F>(panel + b * block_bytes, codes);
                for (int t = 0; t < count; ++t) {
                    const int8_t* q = x.q + (size_t)(t0 + t) * x.q_stride + b * kBlock;
                    const size_t at = (size_t)(t0 + t) * (x.q_stride / kBlock) + b;
                    for (int h = 0; h < parts; ++h) {
                        int32_t dot[kPanel] = {};
                        for (int k = h * part; k < (h + 1) * part; ++k)
                            for (int r = 0; r < kPanel; ++r) dot[r] += codes[k][r] * q[k];
                        for (int r = 0; r < kPanel; ++r)
                            acc[t][r] = fused((float)dot[r], half_to_float(scales[(b * parts + h) * kPanel + r]) * x.scale[at], acc[t][r]);
                    }
                    if (!has_minimum(F)) continue;
                    const float sum = (float)x.offset[at] * -0.125f;   // of the activation's codes
                    for (int r = 0; r < kPanel; ++r)
                        acc[t][r] = fused(sum, half_to_float(minimums[b * kPanel + r]) * x.scale[at], acc[t][r]);
                }
            }
            for (int t = 0; t < count; ++t) write(acc[t], p * kPanel, w.rows, t0 + t, out);
        }
    }
}

void expand_q2(const uint8_t* data, size_t blocks, uint8_t* to, const uint8_t*) {
    for (size_t at = 0; at < blocks * 8; ++at, to += kPanel * 4)
        for (int i = 0; i < kPanel * 4; ++i) to[i] = (uint8_t)(128 - 3 + 2 * (data[at / 4 * kPanel * 4 + (size_t)i] >> 2 * (at % 4) & 3));
}

void expand_q3(const uint8_t* data, size_t blocks, uint8_t* to, const uint8_t*) {
    for (size_t b = 0; b < blocks; ++b, data += 3 * kPanel * 4) {
        for (int g = 0; g < 8; ++g, to += kPanel * 4) {
            for (int i = 0; i < kPanel * 4; ++i) {
                const uint8_t last = data[2 * kPanel * 4 + i];
                const int raised = g < 6 ? data[g / 2 * kPanel * 4 + i] >> 3 * (g % 2) & 7 : (data[(g - 6) * kPanel * 4 + i] >> 6 & 3) << 1 | (last >> g & 1);
                to[i] = (uint8_t)(128 - 4 + raised);
            }
        }
    }
}

void expand_sparse(const uint8_t* words, size_t blocks, uint8_t* to, const uint8_t*) {
    const uint8_t* codes = words + blocks * 8 * sizeof(uint64_t);
    for (size_t b = 0; b < blocks; ++b, words += 8 * sizeof(uint64_t), to += 8 * kPanel * 4) {
        for (int g = 0; g < 4; ++g) {
            int longer = 0;
            for (int group = g; group < 8; group += 4) {
                int kept = 0;
                for (int i = 0; i < kPanel * 4; ++i) {
                    const bool keeps = words[group * 8 + i / 8] >> i % 8 & 1;
                    to[group * kPanel * 4 + i] = (uint8_t)(keeps ? 128 - 8 + (codes[kept] >> (group - g) & 15) : 128);
                    kept += keeps;
                }
                longer = kept > longer ? kept : longer;
            }
            codes += longer;
        }
    }
}

constexpr Expands expands{{expand_q3, nullptr}, {expand_q2, nullptr}, {expand_sparse, nullptr}};

}  // namespace

extern const Kernels kernels_ref;
const Kernels kernels_ref = make_table(
    "ref", Products{{product_float<Format::f32>, product_float<Format::f16>, product_float<Format::bf16>, product_quantized<Format::q8>,
                     product_quantized<Format::q8_min>, product_quantized<Format::q8_half>, product_spans<Format::q8_span>,
                     product_quantized<Format::q4>, product_quantized<Format::q4_min>, product_spans<Format::q4_span>}},
    &expands);

}  // namespace sw
