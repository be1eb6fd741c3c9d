// A GGUF writer of a hundred lines, independent of the reader and of the Python package.
// Enters: keys and the shapes of tensors, which get small random numbers. Leaves: the bytes of a file.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "file/gguf.h"
#include "fuzz/packages.h"

namespace sw_fuzz {

constexpr uint64_t kAlignment = 64;
enum Value : uint32_t { kU32 = 4, kF32 = 6, kBool = 7, kString = 8, kArray = 9 };

class Writer {
public:
    void text(const std::string& key, const std::string& value) {
        start(key, kString);
        put_string(keys_, value);
    }
    void number(const std::string& key, uint32_t value) {
        start(key, kU32);
        put(keys_, value);
    }
    void real(const std::string& key, float value) {
        start(key, kF32);
        put(keys_, value);
    }
    void flag(const std::string& key, bool value) {
        start(key, kBool);
        put(keys_, uint8_t(value));
    }
    void texts(const std::string& key, const std::vector<std::string>& values) {
        start(key, kArray);
        put(keys_, uint32_t(kString));
        put(keys_, uint64_t(values.size()));
        for (const std::string& value : values) put_string(keys_, value);
    }
    void numbers(const std::string& key, const std::vector<uint32_t>& values) {
        start(key, kArray);
        put(keys_, uint32_t(kU32));
        put(keys_, uint64_t(values.size()));
        for (const uint32_t value : values) put(keys_, value);
    }
    void reals(const std::string& key, const std::vector<float>& values) {
        start(key, kArray);
        put(keys_, uint32_t(kF32));
        put(keys_, uint64_t(values.size()));
        for (const float value : values) put(keys_, value);
    }
    // Small random weights; `rows` 0 for a vector.
    void tensor(const std::string& name, sw::Type type, uint64_t width, uint64_t rows = 0) {
        record(name, type, width, rows);
        fill(type, width * (rows ? rows : 1));
    }
    // A matrix in planes: codes of 2 or 3 bits, or (0) sparse ones; random bytes, but for the scales.
    void planes(const std::string& weight, uint64_t bits, uint64_t width, uint64_t rows) {
        tensor(weight + ".scales", sw::Type::f16, (width + 127) / 128, rows);
        if (bits) return bytes(weight + ".codes", width * bits / 8, rows);
        bytes(weight + ".mask", width / 8, rows);
        uint64_t codes = 0;
        for (uint64_t row = 0; row < rows; ++row) {
            const uint8_t* const mask = data_.data() + data_.size() - (rows - row) * (width / 8);
            uint64_t kept = 0;
            for (uint64_t i = 0; i < width / 8; ++i) kept += (uint64_t)__builtin_popcount(mask[i]);
            codes += (kept + 1) / 2;
        }
        bytes(weight + ".codes", codes, 0);
    }
    // A vector of one number.
    void constant(const std::string& name, float value, uint64_t width) {
        record(name, sw::Type::f32, width, 0);
        for (uint64_t i = 0; i < width; ++i) put(data_, value);
    }
    Bytes finish() const {
        Bytes out{'G', 'G', 'U', 'F'};
        put(out, uint32_t(3));
        put(out, tensors_);
        put(out, key_count_);
        out.insert(out.end(), keys_.begin(), keys_.end());
        out.insert(out.end(), records_.begin(), records_.end());
        out.resize((out.size() + kAlignment - 1) / kAlignment * kAlignment);
        out.insert(out.end(), data_.begin(), data_.end());
        return out;
    }

private:
    template <class T>
    static void put(Bytes& out, T value) {
        const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
        out.insert(out.end(), bytes, bytes + sizeof value);
    }
    static void put_string(Bytes& out, const std::string& text) {
        put(out, uint64_t(text.size()));
        out.insert(out.end(), text.begin(), text.end());
    }
    void record(const std::string& name, sw::Type type, uint64_t width, uint64_t rows) {
        put_string(records_, name);
        put(records_, uint32_t(rows ? 2 : 1));
        put(records_, width);
        if (rows) put(records_, rows);
        put(records_, uint32_t(type));
        data_.resize((data_.size() + kAlignment - 1) / kAlignment * kAlignment);
        put(records_, uint64_t(data_.size()));
        ++tensors_;
    }
    void bytes(const std::string& name, uint64_t width, uint64_t rows) {
        record(name, sw::Type::i8, width, rows);
        for (uint64_t i = 0; i < width * (rows ? rows : 1); ++i) put(data_, uint8_t(next()));
    }
    void start(const std::string& key, uint32_t type) {
        put_string(keys_, key);
        put(keys_, type);
        ++key_count_;
    }
    uint32_t next() {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return uint32_t(state_ >> 33);
    }
    void fill(sw::Type type, uint64_t count) {
        const auto half = [this] { put(data_, uint16_t(0x2800 | (next() & 0x83ff))); };   // about +-0.04
        if (type == sw::Type::f32) {
            for (uint64_t i = 0; i < count; ++i) put(data_, float(int32_t(next() % 2001) - 1000) / 4000.0f);
        } else if (type == sw::Type::f16) {
            for (uint64_t i = 0; i < count; ++i) half();
        } else if (type == sw::Type::bf16) {
            for (uint64_t i = 0; i < count; ++i) put(data_, uint16_t(0x3d00 | (next() & 0x80ff)));
        } else {
            fill_blocks(type, count);
        }
    }
    // Random bytes, but for the scales: f16, at the end of a block of q6_k and at the beginning of the others, which may
    // have a second one for the minima.
    void fill_blocks(sw::Type type, uint64_t count) {
        const sw::Layout& layout = sw::layout_of(type);
        const bool minimum = type == sw::Type::q4_1 || type == sw::Type::q5_1 || type == sw::Type::q4_k || type == sw::Type::q5_k;
        // The K types multiply two scales.
        const uint16_t small = layout.block == 256 ? 0x0c00 : 0x2800;
        for (uint64_t block = 0; block < count / layout.block; ++block) {
            const size_t at = data_.size();
            for (uint64_t i = 0; i < layout.block_bytes; ++i) put(data_, uint8_t(next()));
            for (int i = 0; i < (minimum ? 2 : 1); ++i) {
                const auto half = uint16_t(small | (next() & 0x83ff));
                std::memcpy(data_.data() + at + (type == sw::Type::q6_k ? 208 : 2 * i), &half, sizeof half);
            }
        }
    }

    Bytes keys_, records_, data_;
    uint64_t tensors_ = 0;
    uint64_t key_count_ = 0;
    uint64_t state_ = 7;
};

}  // namespace sw_fuzz
