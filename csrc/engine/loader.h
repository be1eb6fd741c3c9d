// Tensors by name, each checked against the shape that the description demands.
#pragma once

#include <string>
#include <vector>

#include "engine/plan.h"

namespace sw {

struct Loader {
    const File& file;
    const ModelSpec& spec;
    Weights& out;

    // Throws Error kinds "missing_tensor", "bad_shape", "bad_type".
    const Tensor& expect(const std::string& name, uint64_t cols, uint64_t rows) const;
    const Tensor& expect_rows(const std::string& name, uint64_t cols, uint64_t rows) const;   // not of integers
    // Whether a matrix is stored in planes, and those (docs/format.md).
    bool in_planes(const std::string& name) const { return file.find_tensor(name + ".codes"); }
    Planes planes(const std::string& name, uint64_t cols, uint64_t rows) const;
    Table table(const std::string& name, uint64_t cols, uint64_t rows) const;
    std::vector<float> vector(const std::string& name, uint64_t size) const;
    Norm norm(const std::string& name) const;
    Linear linear(const std::string& name, uint64_t rows, uint64_t cols, bool bias) const;
    LayerWeights layer(size_t index) const;
    static std::string block(size_t index) { return "blk." + std::to_string(index) + "."; }
};

}  // namespace sw
