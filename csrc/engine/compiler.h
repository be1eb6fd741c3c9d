// What a plan is compiled with: operations appended one by one, and the widths of the buffers they need.
#pragma once

#include <initializer_list>
#include <utility>

#include "engine/plan.h"

namespace sw {

struct Compiler {
    const ModelSpec& spec;
    const Weights& weights;
    Plan plan;

    static Rounding rounding_for(std::initializer_list<const Linear*> readers);
    void widen(Slot slot, int width);
    void widen(Codes codes, int width);
    Operation& push(Operation::Kind kind, int layer = -1);
    void normalize(const Norm& norm, Slot from, Slot to, Rounding rounding);
    void quantize(Slot from, Codes to, int width, Rounding rounding);
    Operation& project(Slot from, Codes in, std::initializer_list<std::pair<const Linear*, Slot>> targets, bool add);
    // x += weight from, or x += norm(weight from)
    void project_and_add(Slot from, Codes in, const Linear& weight, const Norm* norm);
    // Where a layer's mixer and feed-forward read the rows: before or after the norm.
    Slot layer_input() const { return spec.post_norm ? Slot::x : Slot::h; }
    void layer(int index, bool last);
    void head();

private:
    Slot pool(Slot from);
    Slot dense(const Linear& weight, Slot from, Slot to, bool is_head);
};

}  // namespace sw
