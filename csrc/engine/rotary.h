// The angles that tell positions apart.
#pragma once

#include <vector>

#include "engine/spec.h"

namespace sw {

class Rotary {
public:
    // factors: divisors of the frequencies, (head width / 2); empty: none.
    Rotary(const ModelSpec& spec, const std::vector<float>& factors);
    void reserve(size_t positions);
    // One head's numbers turned by the angles of a position; a layer without rotary positions leaves them.
    void turn(const Kernels& kernels, const LayerSpec& layer, float* x, int position) const;

private:
    // (positions, width / 2) each; one table for the layers that agree on these three
    struct Table {
        int width;
        float base, factor;
        std::vector<float> frequencies, cos, sin;
        bool fits(const LayerSpec& layer) const {
            return width == layer.head_width && base == layer.rotary_base && factor == layer.rotary_factor;
        }
    };
    size_t context_;
    bool pairs_;
    size_t positions_ = 0;
    std::vector<Table> tables_;
};

}  // namespace sw
