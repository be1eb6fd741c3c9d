// Weights in the layout of the products, and single rows back as floats.
// Enters: a tensor of the file, already validated. Leaves: panels, packed once into memory that the caller gives, or
// packed into a thread's scratch each time they are used (in place: less memory, no loading, slower).
#pragma once

#include <memory>

#include "file/gguf.h"
#include "kernels/kernels.h"
#include "kernels/planes.h"

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
    explicit PackedMatrix(Planes planes);

    size_t size_bytes() const { return panel_at(panels()); }   // of all panels, packed
    // size_bytes() on a 64-byte boundary, to be packed or already so; without it: in place
    void place(const uint8_t* memory) { view_.data = memory; }
    // Into the memory placed. False: scales do not agree in spans (the matrix must not be used).
    [[nodiscard]] bool pack(int panel_begin, int panel_end);
    bool scales_agree() const;   // what `pack` would say of all panels, where they are used in place
    std::vector<const Tensor*> tensors() const;   // where the weights come from

    Format format() const { return format_; }
    bool quantized() const { return is_quantized(format_); }
    int rows() const { return view_.rows; }
    int cols() const { return view_.cols; }
    int panels() const { return (view_.rows + kPanel - 1) / kPanel; }
    // out = x times these panels. read_end: up to which panel the thread will go on, where weights come from memory; else 0.
    void multiply(const Kernels& kernels, const Rows& x, int n, const Output& out, int panel_begin, int panel_end, int read_end) const;
    void read_row(int row, float* out) const;   // out: (cols)

private:
    size_t panel_at(int panel) const { return planes_ ? planes_->panel_begin(panel) : (size_t)panel * view_.panel_stride; }
    bool pack_panel(int panel, uint8_t* to) const;
    void multiply_expanded(const Kernels& kernels, Product product, const Rows& x, int n, const Output& out, int begin, int end, int read_end) const;
    const Tensor* tensor_ = nullptr;          // null: planes
    std::shared_ptr<const Planes> planes_;    // null: a tensor
    Matrix view_;
    Format format_ = Format::f32;
};

// A table of rows that is never multiplied: read from the file.
class Table {
public:
    Table() = default;
    explicit Table(const Tensor& tensor) : tensor_(&tensor) {}
    explicit Table(Planes planes) : planes_(std::make_shared<const Planes>(std::move(planes))) {}
    explicit operator bool() const { return tensor_ || planes_; }
    void read_row(uint64_t row, float* out) const;

private:
    const Tensor* tensor_ = nullptr;
    std::shared_ptr<const Planes> planes_;
};

// One row of an unpacked tensor as floats; the tensor's type is one that PackedMatrix takes.
void read_tensor_row(const Tensor& tensor, uint64_t row, float* out);

}  // namespace sw
