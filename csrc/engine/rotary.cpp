#include "engine/rotary.h"

#include <algorithm>
#include <cmath>

namespace sw {

Rotary::Rotary(const ModelSpec& spec, const std::vector<float>& factors) : context_((size_t)spec.context), pairs_(spec.rotary_pairs) {
    for (const LayerSpec& layer : spec.layers) {
        const auto same = [&](const Table& table) { return table.fits(layer); };
        if (layer.rotary_base <= 0 || std::any_of(tables_.begin(), tables_.end(), same)) continue;
        Table table{layer.head_width, layer.rotary_base, layer.rotary_factor, {}, {}, {}};
        for (int i = 0; i < layer.head_width / 2; ++i) {
            const double frequency = std::pow((double)layer.rotary_base, -2.0 * i / layer.head_width) / layer.rotary_factor;
            table.frequencies.push_back((float)(factors.empty() ? frequency : frequency / factors[i]));
        }
        tables_.push_back(std::move(table));
    }
}

void Rotary::reserve(size_t positions) {
    if (positions <= positions_ || tables_.empty()) return;
    positions = std::max(positions, std::min(context_, 2 * positions_));
    for (Table& table : tables_) {
        const size_t half = (size_t)table.width / 2;
        table.cos.resize(positions * half);
        table.sin.resize(positions * half);
        for (size_t p = positions_; p < positions; ++p) {
            for (size_t i = 0; i < half; ++i) {
                const float angle = (float)p * table.frequencies[i];
                table.cos[p * half + i] = (float)std::cos((double)angle);
                table.sin[p * half + i] = (float)std::sin((double)angle);
            }
        }
    }
    positions_ = positions;
}

void Rotary::turn(const Kernels& kernels, const LayerSpec& layer, float* x, int position) const {
    if (layer.rotary_base <= 0) return;
    const Table* table = tables_.data();
    while (!table->fits(layer)) ++table;
    const size_t half = (size_t)layer.head_width / 2, at = (size_t)position * half;
    (pairs_ ? kernels.rotate_pairs : kernels.rotate_halves)(x, table->cos.data() + at, table->sin.data() + at, half);
}

}  // namespace sw
