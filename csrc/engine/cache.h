// Keys and values of one layer, laid out as the products want them: the keys of a head are a matrix of (tokens, width)
// for the scores, its values one of (width, tokens) for their sum.
#pragma once

#include <vector>

#include "kernels/kernels.h"
#include "kernels/memory.h"

namespace sw {

class KeyValues {
public:
    KeyValues() = default;
    // bits of a number: 32 (f32), 16 (f16) or 8 (codes; a key has a scale for every 32 numbers, a value has one).
    KeyValues(int heads, int width, int bits);

    void reserve(size_t tokens);   // keeps what is stored
    void copy(const KeyValues& from, size_t tokens);   // the first of another's, which has the same shape
    // The memory of the first `tokens`, in an order that does not depend on the capacity.
    struct Part {
        uint8_t* data;
        size_t size_bytes;
    };
    std::vector<Part> parts(size_t tokens) const;
    size_t capacity() const { return capacity_; }
    uint64_t size_bytes() const { return keys_.size_bytes() + values_.size_bytes() + value_scales_.size_bytes(); }
    int bits() const { return bits_; }
    int key_width() const { return padded_; }   // what a query must be filled up to with zeros
    bool fits(int heads, int width) const { return heads == heads_ && width == width_; }

    void store(const Kernels& kernels, int head, size_t position, const float* key, const float* value);
    // The same of up to 16 tokens, the first at a multiple of 16 and their rows so many floats apart; with 32 bits only.
    void store_panel(const Kernels& kernels, int head, size_t first, size_t tokens, const float* keys, size_t key_stride,
                     const float* values, size_t value_stride);
    // Tokens [first, first + length) of a head; first is a multiple of 16 (and 0 with 8 bits).
    Matrix keys(int head, size_t first, size_t length) const;
    Matrix values(int head, size_t first, size_t length) const;
    const float* value_scales(int head) const { return value_scales_.as<float>() + (size_t)head * capacity_; }
    Format format() const { return bits_ == 32 ? Format::f32 : bits_ == 16 ? Format::f16 : Format::q8; }

private:
    size_t key_panel_bytes() const;
    size_t value_panel_bytes() const;
    void allocate(size_t capacity);
    int value_panels() const { return (width_ + kPanel - 1) / kPanel; }
    void store_codes(const Kernels& kernels, int head, size_t position, const float* key, const float* value);
    int heads_ = 0, width_ = 0, padded_ = 0, bits_ = 32;
    size_t capacity_ = 0;   // tokens, a multiple of 64
    Buffer keys_, values_, value_scales_;
};

}  // namespace sw
