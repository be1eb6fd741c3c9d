#include "engine/cache.h"

#include <algorithm>
#include <cstring>

#include "kernels/blocks.h"

namespace sw {
namespace {

constexpr size_t kRoom = 64;         // tokens: panels of keys, blocks of values and lines of memory divide it
constexpr int kMostWidth = 1024;     // of a head; the description is checked against it
constexpr uint16_t kOne = 0x3c00;    // f16

// A value's numbers, 16 of them in each panel.
template <class Value>
void scatter_value(uint8_t* value_panels, size_t value_stride, int width, size_t position, const Value* value) {
    for (int d = 0; d < width; d += kPanel)
        std::memcpy(value_panels + (size_t)(d / kPanel) * value_stride + position * kPanel * sizeof(Value), value + d,
                    (size_t)std::min(kPanel, width - d) * sizeof(Value));
}

template <class Value>
void scatter(uint8_t* key_panel, uint8_t* value_panels, size_t value_stride, int width, size_t position, const Value* key, const Value* value) {
    Value* const keys = reinterpret_cast<Value*>(key_panel) + position % kPanel;
    for (int d = 0; d < width; ++d) keys[(size_t)d * kPanel] = key[d];
    scatter_value(value_panels, value_stride, width, position, value);
}

// Codes in [-127, 127] of numbers that share one scale, which is returned; not finite when one of them is not.
float quantize_together(const float* x, size_t n, int8_t* codes) {
    constexpr float kMagic = 12582912.0f;   // 1.5 * 2^23: adding it rounds to an integer, to nearest even
    int32_t largest = 0;                    // as integers, so that NaN and infinity are the largest
    for (size_t i = 0; i < n; ++i) {
        int32_t bits;
        std::memcpy(&bits, x + i, sizeof bits);
        bits &= 0x7fffffff;
        largest = bits > largest ? bits : largest;
    }
    float top;
    std::memcpy(&top, &largest, sizeof top);
    if (!(top >= 1e-30f && top <= 3.4028235e38f)) {
        std::memset(codes, 0, n);
        return top < 1e-30f ? 0.0f : top;
    }
    const float inverse = 127.0f / top;
    for (size_t i = 0; i < n; ++i) {
        const float shifted = x[i] * inverse + kMagic;
        int32_t bits;
        std::memcpy(&bits, &shifted, sizeof bits);
        codes[i] = (int8_t)(bits - 0x4B400000);
    }
    return top / 127.0f;
}

}  // namespace

KeyValues::KeyValues(int heads, int width, int bits)
    : heads_(heads), width_(width), padded_(bits == 8 ? (int)round_up((size_t)width, kBlock) : width), bits_(bits) {}

// With 8 bits: [width / 32][8][16][4] codes, then the scales.
size_t KeyValues::key_panel_bytes() const {
    if (bits_ != 8) return (size_t)width_ * kPanel * bits_ / 8;
    return round_up((size_t)padded_ * kPanel + (size_t)padded_ / kBlock * kPanel * sizeof(uint16_t), 64);
}

// With 8 bits: [tokens / 32][8][16][4] codes, then scales that are all one: a token's own is in value_scales.
size_t KeyValues::value_panel_bytes() const {
    if (bits_ != 8) return capacity_ * kPanel * bits_ / 8;
    return capacity_ * kPanel + capacity_ / kBlock * kPanel * sizeof(uint16_t);
}

void KeyValues::allocate(size_t capacity) {
    capacity_ = capacity;
    keys_ = Buffer((size_t)heads_ * (capacity_ / kPanel) * key_panel_bytes());
    values_ = Buffer((size_t)heads_ * value_panels() * value_panel_bytes());
    if (bits_ != 8) return;
    value_scales_ = Buffer((size_t)heads_ * capacity_ * sizeof(float));
    for (size_t panel = 0; panel < (size_t)heads_ * value_panels(); ++panel)
        std::fill_n(reinterpret_cast<uint16_t*>(values_.as() + panel * value_panel_bytes() + capacity_ * kPanel), capacity_ / kBlock * kPanel, kOne);
}

void KeyValues::reserve(size_t tokens) {
    if (tokens <= capacity_) return;
    KeyValues grown(heads_, width_, bits_);
    grown.allocate(round_up(tokens, kRoom));
    grown.copy(*this, capacity_);
    *this = std::move(grown);
}

// Whole panels of keys, whole blocks of values; kRoom is divisible by both.
std::vector<KeyValues::Part> KeyValues::parts(size_t tokens) const {
    std::vector<Part> parts;
    if (tokens == 0) return parts;
    const size_t key_stride = capacity_ / kPanel * key_panel_bytes();
    for (size_t head = 0; head < (size_t)heads_; ++head) {
        parts.push_back({keys_.as() + head * key_stride, round_up(tokens, kPanel) / kPanel * key_panel_bytes()});
        if (bits_ == 8) parts.push_back({value_scales_.as() + head * capacity_ * sizeof(float), tokens * sizeof(float)});
    }
    for (size_t panel = 0; panel < (size_t)heads_ * value_panels(); ++panel)
        parts.push_back({values_.as() + panel * value_panel_bytes(), round_up(tokens, kBlock) * kPanel * bits_ / 8});
    return parts;
}

void KeyValues::copy(const KeyValues& from, size_t tokens) {
    reserve(tokens);
    const std::vector<Part> to = parts(tokens), source = from.parts(tokens);
    for (size_t i = 0; i < to.size(); ++i) std::memcpy(to[i].data, source[i].data, to[i].size_bytes);
}

void KeyValues::store(const Kernels& kernels, int head, size_t position, const float* key, const float* value) {
    if (bits_ == 8) return store_codes(kernels, head, position, key, value);
    uint8_t* const key_panel = keys_.as() + ((size_t)head * capacity_ + position) / kPanel * key_panel_bytes();
    const size_t stride = value_panel_bytes();
    uint8_t* const value_begin = values_.as() + (size_t)head * value_panels() * stride;
    if (bits_ == 32) return scatter(key_panel, value_begin, stride, width_, position, key, value);
    uint16_t half_key[kMostWidth], half_value[kMostWidth];
    kernels.to_half(key, half_key, (size_t)width_);
    kernels.to_half(value, half_value, (size_t)width_);
    scatter(key_panel, value_begin, stride, width_, position, half_key, half_value);
}

void KeyValues::store_panel(const Kernels& kernels, int head, size_t first, size_t tokens, const float* keys, size_t key_stride,
                            const float* values, size_t value_stride) {
    uint8_t* const panel = keys_.as() + ((size_t)head * capacity_ + first) / kPanel * key_panel_bytes();
    kernels.interleave(keys, key_stride, tokens, (size_t)width_, reinterpret_cast<float*>(panel));
    const size_t stride = value_panel_bytes();
    uint8_t* const value_begin = values_.as() + (size_t)head * value_panels() * stride;
    for (size_t i = 0; i < tokens; ++i) scatter_value(value_begin, stride, width_, first + i, values + i * value_stride);
}

void KeyValues::store_codes(const Kernels& kernels, int head, size_t position, const float* key, const float* value) {
    float padded[kMostWidth], scales[kMostWidth / kBlock];
    int8_t codes[kMostWidth];
    int32_t sums[2][kMostWidth / kBlock];
    std::memcpy(padded, key, (size_t)width_ * sizeof(float));
    std::fill(padded + width_, padded + padded_, 0.0f);
    kernels.quantize(padded, (size_t)padded_, codes, scales, sums[0], sums[1]);
    uint8_t* const panel = keys_.as() + ((size_t)head * capacity_ + position) / kPanel * key_panel_bytes();
    const size_t r = position % kPanel;
    const auto put_four = [&codes](uint8_t* to, int d) {
        uint32_t four;
        std::memcpy(&four, codes + d, 4);
        four ^= 0x80808080u;   // + 128
        std::memcpy(to, &four, 4);
    };
    for (int d = 0; d < padded_; d += 4) put_four(panel + ((size_t)(d / 4) * kPanel + r) * 4, d);
    uint16_t* const key_scales = reinterpret_cast<uint16_t*>(panel + (size_t)padded_ * kPanel);
    for (int b = 0; b < padded_ / kBlock; ++b) key_scales[(size_t)b * kPanel + r] = float_to_half(scales[b]);
    value_scales_.as<float>()[(size_t)head * capacity_ + position] = quantize_together(value, (size_t)width_, codes);
    const size_t stride = value_panel_bytes();
    uint8_t* const to = values_.as() + (size_t)head * value_panels() * stride + position / 4 * kPanel * 4 + position % 4;
    for (int d = 0; d < width_; ++d) to[(size_t)(d / kPanel) * stride + (size_t)(d % kPanel) * 4] = (uint8_t)(codes[d] + 128);
}

Matrix KeyValues::keys(int head, size_t first, size_t length) const {
    Matrix out;
    out.data = keys_.as() + ((size_t)head * capacity_ + first) / kPanel * key_panel_bytes();
    out.panel_stride = key_panel_bytes();
    out.scales_at = (size_t)padded_ * kPanel;
    out.rows = (int)length;
    out.cols = padded_;
    return out;
}

Matrix KeyValues::values(int head, size_t first, size_t length) const {
    Matrix out;
    out.panel_stride = value_panel_bytes();
    out.data = values_.as() + (size_t)head * value_panels() * out.panel_stride + first * kPanel * bits_ / 8;
    out.scales_at = capacity_ * kPanel;
    out.rows = width_;
    out.cols = bits_ == 8 ? (int)round_up(length, kBlock) : (int)length;
    return out;
}

}  // namespace sw
