// A matrix in one of our own formats, as a file holds it: codes, scales and, where sparse, a mask, each a tensor (docs/format.md, "Planes").
// Enters: validated tensors. Leaves: packed panels (kernels.h), and single rows as floats.
#pragma once

#include <vector>

#include "file/gguf.h"
#include "kernels/kernels.h"

namespace sw {

class Planes {
public:
    static constexpr size_t kReadBeyond = 64;   // bytes behind a packed panel that may be read (kernels.h)
    // `mask` is null where the format is dense. The tensors outlive this. Throws Error kinds "bad_type", "bad_shape" when they do not
    // belong to a (rows, cols) matrix.
    Planes(const Tensor& codes, const Tensor& scales, const Tensor* mask, uint64_t rows, uint64_t cols);

    Format format() const { return format_; }
    int rows() const { return rows_; }
    int cols() const { return cols_; }
    std::vector<const Tensor*> tensors() const;
    size_t panel_begin(int panel) const;   // bytes from the first panel's begin; of the number of panels: all of them
    void pack(int panel, uint8_t* to) const;
    void read_row(int row, float* out) const;   // out: (cols)

private:
    void check_dense();
    void find_rows();
    const uint8_t* words_of(int row) const { return mask_->data + (size_t)row * ((size_t)cols_ / 8); }
    int code_at(const uint8_t* row, int k) const;   // dense
    void pack_bits(int row, int r, uint8_t* to) const;
    void pack_kept(int panel, int rows, uint8_t* to) const;

    const Tensor* codes_;
    const Tensor* scales_;
    const Tensor* mask_;
    int rows_, cols_;
    Format format_ = Format::q4_sparse;
    size_t row_bytes_ = 0;                // dense: codes of a row
    std::vector<uint64_t> row_begin_;     // sparse: where each row's codes begin, and where the last one's end
    std::vector<uint64_t> panel_begin_;   // sparse
};

}  // namespace sw
