// Source of the layouts: the GGUF specification and the `gguf` Python package, against which the tests compare every
// type bit for bit. Blocks are read byte by byte: nothing in a file promises that they are aligned.
#include "kernels/blocks.h"

#include <string.h>

namespace sw {
namespace {

// The 16 levels of IQ4_NL.
constexpr int8_t kLevels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

uint16_t load_u16(const uint8_t* from) { return (uint16_t)(from[0] | from[1] << 8); }
float load_half(const uint8_t* from) { return half_to_float(load_u16(from)); }

// 16 bytes hold inputs 0..15 in their low and 16..31 in their high nibbles.
int nibble(const uint8_t* bytes, int i) { return i < 16 ? bytes[i] & 15 : bytes[i - 16] >> 4; }

// Bit i of four bytes: the fifth bit of input i.
int fifth(const uint8_t* bytes, int i) { return (bytes[i / 8] >> (i % 8) & 1) << 4; }

void set_scale(Block32& out, float scale, float minimum = 0.0f) {
    out.scale[0] = out.scale[1] = scale;
    out.minimum = minimum;
}

// Q4_K and Q5_K: 8 scales and 8 minima of 6 bits in 12 bytes; the first four whole, the others in two parts.
void read_scale_and_minimum(const uint8_t* bytes, size_t part, int& scale, int& minimum) {
    if (part < 4) {
        scale = bytes[part] & 63;
        minimum = bytes[part + 4] & 63;
        return;
    }
    scale = (bytes[part + 4] & 15) | (bytes[part - 4] >> 6) << 4;
    minimum = bytes[part + 4] >> 4 | (bytes[part] >> 6) << 4;
}

// [d][dmin][12 bytes of scales][Q5_K: 32 bytes of fifth bits][128 bytes of nibbles]
void read_k45(const uint8_t* block, size_t part, bool five, Block32& out) {
    int scale, minimum;
    read_scale_and_minimum(block + 4, part, scale, minimum);
    set_scale(out, load_half(block) * (float)scale, -(load_half(block + 2) * (float)minimum));
    const uint8_t* high = block + 16;
    const uint8_t* low = high + (five ? 32 : 0) + part / 2 * 32;
    for (int i = 0; i < 32; ++i) {
        const int code = part % 2 ? low[i] >> 4 : low[i] & 15;
        out.codes[i] = (int8_t)(five ? code | (high[i] >> part & 1) << 4 : code);
    }
}

// [128 bytes of low nibbles][64 of two high bits][16 signed scales][d]; two halves of 128 inputs each
void read_k6(const uint8_t* block, size_t part, Block32& out) {
    const size_t half = part / 4, quarter = part % 4;
    const uint8_t* low = block + half * 64 + quarter % 2 * 32;
    const uint8_t* high = block + 128 + half * 32;
    const float d = load_half(block + 208);
    for (int i = 0; i < 2; ++i) out.scale[i] = d * (float)(int8_t)block[192 + part * 2 + i];
    out.minimum = 0.0f;
    for (int i = 0; i < 32; ++i) {
        const int nibble = quarter < 2 ? low[i] & 15 : low[i] >> 4;
        out.codes[i] = (int8_t)((nibble | (high[i] >> 2 * quarter & 3) << 4) - 32);
    }
}

}  // namespace

bool quantized(Type type) { return layout_of(type).block > 1; }
size_t block_columns(Type type) { return layout_of(type).block; }
size_t block_bytes(Type type) { return layout_of(type).block_bytes; }
bool has_minimum(Type type) { return type == Type::q4_1 || type == Type::q5_1 || type == Type::q4_k || type == Type::q5_k; }

void read_block(Type type, const uint8_t* row, size_t index, Block32& out) {
    const size_t parts = block_columns(type) / 32;
    const uint8_t* block = row + index / parts * block_bytes(type);
    switch (type) {
        case Type::q8_0:
            set_scale(out, load_half(block));
            memcpy(out.codes, block + 2, 32);
            return;
        case Type::q4_0:
            set_scale(out, load_half(block));
            for (int i = 0; i < 32; ++i) out.codes[i] = (int8_t)(nibble(block + 2, i) - 8);
            return;
        case Type::q4_1:
            set_scale(out, load_half(block), load_half(block + 2));
            for (int i = 0; i < 32; ++i) out.codes[i] = (int8_t)nibble(block + 4, i);
            return;
        case Type::q5_0:
            set_scale(out, load_half(block));
            for (int i = 0; i < 32; ++i) out.codes[i] = (int8_t)((nibble(block + 6, i) | fifth(block + 2, i)) - 16);
            return;
        case Type::q5_1:
            set_scale(out, load_half(block), load_half(block + 2));
            for (int i = 0; i < 32; ++i) out.codes[i] = (int8_t)(nibble(block + 8, i) | fifth(block + 4, i));
            return;
        case Type::iq4_nl:
            set_scale(out, load_half(block));
            for (int i = 0; i < 32; ++i) out.codes[i] = kLevels[nibble(block + 2, i)];
            return;
        case Type::q4_k: return read_k45(block, index % parts, false, out);
        case Type::q5_k: return read_k45(block, index % parts, true, out);
        case Type::q6_k: return read_k6(block, index % parts, out);
        default: return;   // the caller asks only for quantised types
    }
}

float bfloat_to_float(uint16_t bits) {
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

float half_to_float(uint16_t bits) {
    const uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, mantissa = bits & 1023;
    if (exponent == 0) {   // zero or subnormal: exact in float32
        const float value = (float)mantissa * 0x1p-24f;
        return sign ? -value : value;
    }
    const uint32_t wide = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | mantissa << 13;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

uint16_t float_to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000;
    uint32_t size = bits & 0x7fffffff;
    if (size > 0x7f800000) return (uint16_t)(sign | 0x7e00);   // not a number
    if (size >= 0x477ff000) return (uint16_t)(sign | 0x7c00);
    if (size < 0x38800000) {   // subnormal: adding 0.5 leaves the rounded mantissa in the low bits
        float part;
        memcpy(&part, &size, sizeof part);
        part += 0.5f;
        memcpy(&size, &part, sizeof size);
        return (uint16_t)(sign | (size - 0x3f000000));
    }
    size += 0xfff + (size >> 13 & 1);
    return (uint16_t)(sign | (size - 0x38000000) >> 13);
}

}  // namespace sw
