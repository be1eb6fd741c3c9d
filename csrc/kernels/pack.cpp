#include "kernels/pack.h"

#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "kernels/blocks.h"

namespace sw {

Buffer::Buffer(size_t size_bytes) : size_bytes_(size_bytes) {
    if (size_bytes == 0) return;
    if (size_bytes > std::numeric_limits<size_t>::max() / 2) throw std::bad_alloc();
    const size_t whole = (size_bytes + 63) / 64 * 64;
    data_ = static_cast<uint8_t*>(std::aligned_alloc(64, whole));
    if (!data_) throw std::bad_alloc();
    std::memset(data_, 0, whole);
}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_bytes_, other.size_bytes_);
    return *this;
}

Buffer::~Buffer() { std::free(data_); }

namespace {

constexpr size_t kBytesQ8 = 34, kBytesQ4 = 18;   // a block of 32 in the file: f16 scale, then codes

void pack_q8_0(const uint8_t* block, int row_in_panel, uint8_t* to, uint16_t* scales) {
    std::memcpy(scales + row_in_panel, block, 2);
    for (int group = 0; group < 8; ++group)
        for (int i = 0; i < 4; ++i) to[(group * kPanel + row_in_panel) * 4 + i] = block[2 + group * 4 + i] ^ 0x80;
}

// The file keeps inputs 0..15 in the low and 16..31 in the high nibbles of 16 bytes: the same pairs as ours.
void pack_q4_0(const uint8_t* block, int row_in_panel, uint8_t* to, uint16_t* scales) {
    std::memcpy(scales + row_in_panel, block, 2);
    for (int group = 0; group < 4; ++group)
        for (int i = 0; i < 4; ++i) to[(group * kPanel + row_in_panel) * 4 + i] = block[2 + group * 4 + i];
}

template <class Value>
void pack_plain(const Tensor& tensor, const Matrix& view, uint8_t* data) {
    for (int row = 0; row < view.rows; ++row) {
        Value* panel = reinterpret_cast<Value*>(data + (size_t)(row / kPanel) * view.panel_stride);
        const uint8_t* from = tensor.data + (size_t)row * view.cols * sizeof(Value);
        for (int k = 0; k < view.cols; ++k) std::memcpy(panel + (size_t)k * kPanel + row % kPanel, from + k * sizeof(Value), sizeof(Value));
    }
}

// Types that have no product of their own become floats.
void pack_expanded(const Tensor& tensor, const Matrix& view, uint8_t* data) {
    const Kernels& kernels = select_kernels("ref");
    std::vector<float> values(view.cols);
    for (int row = 0; row < view.rows; ++row) {
        float* panel = reinterpret_cast<float*>(data + (size_t)(row / kPanel) * view.panel_stride);
        read_tensor_row(kernels, tensor, row, values.data());
        for (int k = 0; k < view.cols; ++k) panel[(size_t)k * kPanel + row % kPanel] = values[k];
    }
}

bool has_product(Type type) { return type == Type::f32 || type == Type::f16 || type == Type::q8_0 || type == Type::q4_0; }

}  // namespace

PackedMatrix::PackedMatrix(const Tensor& tensor) : type_(has_product(tensor.type) ? tensor.type : Type::f32) {
    const std::string name(tensor.name);
    if (tensor.type == Type::i8 || tensor.type == Type::i32)
        throw Error("bad_type", "a weight matrix must hold floats or quantised blocks. Got type " +
                                    std::string(layout_of(tensor.type).name) + " in tensor " + name + ". Convert the model again.");
    if (tensor.dims[0] > INT32_MAX || tensor.dims[1] > INT32_MAX)
        throw Error("bad_shape", "a weight matrix must have fewer than 2^31 rows and columns. Got more in tensor " + name + ".");
    view_.cols = (int)tensor.dims[0];
    view_.rows = (int)tensor.dims[1];
    const size_t block = block_columns(tensor.type);
    if (view_.cols % block != 0)
        throw Error("bad_shape", "columns of a quantised matrix must be divisible by its block of " + std::to_string(block) + ". Got " +
                                     std::to_string(view_.cols) + " in tensor " + name + ".");
    const size_t per_column = type_ == Type::f32 ? 64 : type_ == Type::f16 ? 32 : type_ == Type::q8_0 ? 16 : 8;
    view_.panel_stride = per_column * view_.cols;
    data_ = Buffer(view_.panel_stride * panels());
    view_.data = data_.as();
    if (tensor.type == Type::f32) pack_plain<float>(tensor, view_, data_.as());
    else if (type_ == Type::f32) pack_expanded(tensor, view_, data_.as());
    if (type_ == Type::f16) pack_plain<uint16_t>(tensor, view_, data_.as());
    if (!quantized()) return;
    const size_t blocks = view_.cols / kBlock;
    scales_ = Buffer(blocks * panels() * kPanel * sizeof(uint16_t));
    view_.scales = scales_.as<uint16_t>();
    const size_t file_block = type_ == Type::q8_0 ? kBytesQ8 : kBytesQ4;
    const size_t packed_block = view_.panel_stride / (blocks ? blocks : 1);
    for (int row = 0; row < view_.rows; ++row) {
        const size_t panel = row / kPanel;
        const uint8_t* from = tensor.data + (size_t)row * blocks * file_block;
        for (size_t b = 0; b < blocks; ++b) {
            uint8_t* to = data_.as() + panel * view_.panel_stride + b * packed_block;
            uint16_t* scales = scales_.as<uint16_t>() + (panel * blocks + b) * kPanel;
            if (type_ == Type::q8_0) pack_q8_0(from + b * file_block, row % kPanel, to, scales);
            else pack_q4_0(from + b * file_block, row % kPanel, to, scales);
        }
    }
}

Product PackedMatrix::product(const Kernels& kernels) const {
    switch (type_) {
        case Type::f16: return kernels.f16;
        case Type::q8_0: return kernels.q8_0;
        case Type::q4_0: return kernels.q4_0;
        default: return kernels.f32;
    }
}

void PackedMatrix::read_row(const Kernels& kernels, int row, float* out) const {
    const uint8_t* panel = view_.data + (size_t)(row / kPanel) * view_.panel_stride;
    const int r = row % kPanel;
    if (!quantized()) {
        for (int k = 0; k < view_.cols; ++k) {
            const size_t at = (size_t)k * kPanel + r;
            if (type_ == Type::f32) out[k] = reinterpret_cast<const float*>(panel)[at];
            else kernels.from_half(reinterpret_cast<const uint16_t*>(panel) + at, out + k, 1);
        }
        return;
    }
    const size_t blocks = view_.cols / kBlock, block_bytes = view_.panel_stride / blocks;
    const uint16_t* scales = view_.scales + (size_t)(row / kPanel) * blocks * kPanel;
    for (size_t b = 0; b < blocks; ++b) {
        float scale;
        kernels.from_half(scales + b * kPanel + r, &scale, 1);
        const uint8_t* block = panel + b * block_bytes;
        for (int k = 0; k < kBlock; ++k) {
            const uint8_t byte = block[(((k / 4) % (type_ == Type::q8_0 ? 8 : 4)) * kPanel + r) * 4 + k % 4];
            const int code = type_ == Type::q8_0 ? (int)byte - 128 : (k < 16 ? byte & 15 : byte >> 4) - 8;
            out[b * kBlock + k] = (float)code * scale;
        }
    }
}

void read_tensor_row(const Kernels& kernels, const Tensor& tensor, uint64_t row, float* out) {
    const size_t cols = tensor.dims[0];
    const uint8_t* from = tensor.data + row * (cols / block_columns(tensor.type)) * block_bytes(tensor.type);
    if (tensor.type == Type::f32) {
        std::memcpy(out, from, cols * 4);
    } else if (tensor.type == Type::f16) {
        kernels.from_half(reinterpret_cast<const uint16_t*>(from), out, cols);
    } else if (tensor.type == Type::bf16) {
        for (size_t k = 0; k < cols; ++k) out[k] = bfloat_to_float((uint16_t)(from[2 * k] | from[2 * k + 1] << 8));
    } else {
        Block32 block;
        for (size_t b = 0; b < cols / 32; ++b) {
            read_block(tensor.type, from, b, block);
            for (int k = 0; k < 32; ++k) out[b * 32 + k] = (float)block.codes[k] * block.scale[k / 16] + block.minimum;
        }
    }
}

}  // namespace sw
