#include "measure/work.h"

namespace sw {
namespace {

struct Tally {
    uint64_t& int8;
    uint64_t& f32;
    void add(const Linear& linear) {
        const uint64_t count = (uint64_t)linear.w.rows() * (uint64_t)linear.w.cols();
        (linear.w.quantized() ? int8 : f32) += count;
    }
};

}  // namespace

Work count_work(const Model& model) {
    const ModelSpec& spec = model.spec();
    const Weights& weights = model.weights();
    Work work;
    Tally token{work.token_int8, work.token_f32}, answer{work.answer_int8, work.answer_f32};
    for (size_t i = 0; i < weights.layers.size(); ++i) {
        const LayerSpec& s = spec.layers[i];
        const LayerWeights& w = weights.layers[i];
        const bool all_rows = spec.averages() || i + 1 < weights.layers.size();
        Tally& rows = all_rows ? token : answer;
        token.add(w.k);
        token.add(w.v);
        rows.add(w.q);
        rows.add(w.output);
        if (s.gated) rows.add(w.gate);
        rows.add(w.up);
        rows.add(w.down);
        (all_rows ? work.token_pair : work.answer_pair) += 2 * (uint64_t)s.heads * s.head_width;   // scores and mix
        work.kept_values += 2 * (uint64_t)s.key_value_heads * s.head_width;
    }
    if (spec.pooler) answer.add(weights.pooler);
    answer.add(weights.head);
    return work;
}

}  // namespace sw
