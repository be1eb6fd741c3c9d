// Weights in the layout of the products, and single rows back as floats.
// Enters: a tensor of the file, already validated. Leaves: panels, packed once into memory that the caller gives, or
// packed into a thread's scratch each time they are used (in place: less memory, no loading, slower).
#pragma once

#include "file/gguf.h"
#include "kernels/kernels.h"

namespace sw {

// What a type of file is packed as: the smallest format that keeps its codes exactly. Scales become f16. `spans`: the file
// says that the scales of its Q4_0 and Q8_0 rows agree in spans (docs/format.md).
Format format_of(Type type, bool spans);

class PackedMatrix {
public:
    PackedMatrix() = default;
    // `tensor` is (dims[1] rows, dims[0] cols) of floats or quantised blocks, and outlives the matrix. Nothing is packed yet.
    // Throws Error kind "bad_type" for integer types, "bad_shape" when a number of rows or columns does not fit.
    explicit PackedMatrix(const Tensor& tensor, bool spans = false);

    size_t size_bytes() const { return view_.panel_stride * (size_t)panels(); }   // of all panels, packed
    // size_bytes() on a 64-byte boundary, to be packed or already so; without it: in place
    void place(const uint8_t* memory) { view_.data = memory; }
    // Into the memory placed. False: scales do not agree in spans (the matrix must not be used).
    [[nodiscard]] bool pack(int panel_begin, int panel_end);
    bool scales_agree() const;   // what `pack` would say of all panels, where they are used in place
    const Tensor& tensor() const { return *tensor_; }

    Format format() const { return format_; }
    bool quantized() const { return is_quantized(format_); }
    int rows() const { return view_.rows; }
    int cols() const { return view_.cols; }
    int panels() const { return (view_.rows + kPanel - 1) / kPanel; }
    // out = x times these panels. read_end: up to which panel the thread will go on, where weights come from memory; else 0.
    void multiply(const Kernels& kernels, const Rows& x, int n, const Output& out, int panel_begin, int panel_end, int read_end) const;
    void read_row(int row, float* out) const;   // out: (cols)

private:
    bool pack_panel(int panel, uint8_t* to) const;
    const Tensor* tensor_ = nullptr;
    Matrix view_;
    Format format_ = Format::f32;
};

// One row of an unpacked tensor as floats; the tensor's type is one that PackedMatrix takes.
void read_tensor_row(const Tensor& tensor, uint64_t row, float* out);

}  // namespace sw
