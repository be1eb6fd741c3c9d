// Weights in the layout of the products, and single rows back as floats.
// Enters: a tensor of the file, already validated. Leaves: a packed copy of the same size (rows padded to 16).
#pragma once

#include <memory>

#include "file/gguf.h"
#include "kernels/kernels.h"

namespace sw {

// Zeroed memory on a 64-byte boundary.
class Buffer {
public:
    Buffer() = default;
    explicit Buffer(size_t size_bytes);
    Buffer(Buffer&& other) noexcept : data_(other.data_), size_bytes_(other.size_bytes_) { other.data_ = nullptr; other.size_bytes_ = 0; }
    Buffer& operator=(Buffer&& other) noexcept;
    ~Buffer();
    template <class T = uint8_t>
    T* as() const { return reinterpret_cast<T*>(data_); }
    size_t size_bytes() const { return size_bytes_; }

private:
    uint8_t* data_ = nullptr;
    size_t size_bytes_ = 0;
};

class PackedMatrix {
public:
    PackedMatrix() = default;
    // `tensor` is (dims[1] rows, dims[0] cols) of any type but i8 and i32.
    // Throws Error kind "bad_type" for those, "bad_shape" when columns are not divisible by the type's block.
    explicit PackedMatrix(const Tensor& tensor);

    const Matrix& view() const { return view_; }
    Type type() const { return type_; }
    bool quantized() const { return type_ == Type::q8_0 || type_ == Type::q4_0; }
    int rows() const { return view_.rows; }
    int cols() const { return view_.cols; }
    int panels() const { return (view_.rows + kPanel - 1) / kPanel; }
    size_t size_bytes() const { return data_.size_bytes() + scales_.size_bytes(); }
    Product product(const Kernels& kernels) const;
    void read_row(const Kernels& kernels, int row, float* out) const;   // out: (cols)

private:
    Buffer data_, scales_;
    Matrix view_;
    Type type_ = Type::f32;
};

// One row of an unpacked tensor as floats; the tensor's type is one that PackedMatrix takes.
void read_tensor_row(const Kernels& kernels, const Tensor& tensor, uint64_t row, float* out);

}  // namespace sw
