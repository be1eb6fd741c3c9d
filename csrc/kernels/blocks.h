// What the bytes of a quantised tensor mean: 32 weights at a time, in one form for every type of block.
// Enters: a row of a validated tensor. Leaves: codes, scales and minimum. Not here: the packed layouts (pack).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "file/gguf.h"

namespace sw {

// 32 consecutive weights of a row: w[i] = codes[i] * scale[i / 16] + minimum.
struct Block32 {
    int8_t codes[32];
    float scale[2];   // scale[0] == scale[1] but for Q6_K
    float minimum;    // 0 where has_minimum is false
};

bool quantized(Type type);         // Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K, IQ4_NL
size_t block_columns(Type type);   // 32 or 256: columns of a row must be divisible by it; 1 for plain numbers
size_t block_bytes(Type type);     // of the file's own block
bool has_minimum(Type type);       // Q4_1, Q5_1, Q4_K, Q5_K

// Block `index` (of 32 columns) of a row that begins at `row`; the type is a quantised one.
void read_block(Type type, const uint8_t* row, size_t index, Block32& out);

float half_to_float(uint16_t bits);
float bfloat_to_float(uint16_t bits);
uint16_t float_to_half(float value);   // nearest even; too large becomes infinite

}  // namespace sw
