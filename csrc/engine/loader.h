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
    std::vector<float> vector(const std::string& name, uint64_t size) const;
    Norm norm(const std::string& name) const;
    Linear linear(const std::string& name, uint64_t rows, uint64_t cols, bool bias) const;
    LayerWeights layer(size_t index) const;
    static std::string block(size_t index) { return "blk." + std::to_string(index) + "."; }
};

}  // namespace sw
