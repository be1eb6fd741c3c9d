#include "engine/plan.h"

#include <algorithm>

#include "engine/mixer.h"

namespace sw {

using Kind = Operation::Kind;

Rounding Compiler::rounding_for(std::initializer_list<const Linear*> readers) {
    Rounding rounding = Rounding::none;
    for (const Linear* reader : readers) {
        if (!reader->w.quantized()) continue;
        if (in_spans(reader->w.format())) return Rounding::spans;   // whoever wants blocks can read spans
        rounding = Rounding::blocks;
    }
    return rounding;
}

void Compiler::widen(Slot slot, int width) {
    int& widest = plan.widths[(int)slot];
    widest = std::max(widest, width);
}

void Compiler::widen(Codes codes, int width) {
    if (codes == Codes::none) return;
    int& widest = plan.code_widths[(int)codes];
    widest = std::max(widest, width);
}

Operation& Compiler::push(Kind kind, int layer) {
    plan.operations.push_back(Operation{});
    plan.operations.back().kind = kind;
    plan.operations.back().layer = layer;
    return plan.operations.back();
}

void Compiler::normalize(const Norm& norm, Slot from, Slot to, Rounding rounding) {
    Operation& op = push(Kind::norm);
    op.norm = &norm;
    op.from = from;
    op.to[0] = to;
    op.out = rounding == Rounding::none ? Codes::none : Codes::first;
    op.rounding = rounding;
    widen(to, spec.width);
    widen(op.out, spec.width);
}

void Compiler::quantize(Slot from, Codes to, int width, Rounding rounding) {
    Operation& op = push(Kind::quantize);
    op.from = from;
    op.out = to;
    op.rounding = rounding;
    op.width = width;
    widen(to, width);
}

Operation& Compiler::project(Slot from, Codes in, std::initializer_list<std::pair<const Linear*, Slot>> targets, bool add) {
    Operation& op = push(Kind::project);
    op.from = from;
    op.in = in;
    op.add = add;
    for (const auto& [weight, slot] : targets) {
        op.weight[op.weights] = weight;
        op.to[op.weights++] = slot;
        widen(slot, weight->w.rows());
        plan.weights += (uint64_t)weight->w.rows() * weight->w.cols();
    }
    return op;
}

void Compiler::project_and_add(Slot from, Codes in, const Linear& weight, const Norm* norm) {
    project(from, in, {{&weight, norm ? Slot::h : Slot::x}}, norm == nullptr);
    if (norm == nullptr) return;
    normalize(*norm, Slot::h, Slot::h, Rounding::none);
    Operation& op = push(Kind::add);
    op.from = Slot::h;
    op.to[0] = Slot::x;
}

void Compiler::layer(int index, bool last) {
    const LayerSpec& s = spec.layers[index];
    const LayerWeights& w = weights.layers[index];
    const Rounding fed = s.gated ? rounding_for({&w.gate, &w.up}) : rounding_for({&w.up});
    const Slot in = layer_input();
    kMixers[s.mixer]->compile(*this, index, last);
    const Codes mixed = w.output.w.quantized() ? Codes::second : Codes::none;
    project_and_add(Slot::mixed, mixed, w.output, s.post_norms ? &w.mixer_post_norm : nullptr);
    // What the post-norm hands on is read by the feed-forward; the second one by the next layer.
    if (spec.post_norm) normalize(w.mixer_norm, Slot::x, Slot::x, fed);
    else normalize(w.feedforward_norm, Slot::x, Slot::h, fed);
    Operation& feed = push(Kind::feed, index);
    feed.from = in;
    feed.in = fed == Rounding::none ? Codes::none : Codes::first;
    feed.out = w.down.w.quantized() ? Codes::second : Codes::none;
    feed.rounding = rounding_for({&w.down});
    feed.activation = s.activation;
    widen(Slot::up, s.feedforward_width);
    if (s.gated) widen(Slot::gate, s.feedforward_width);
    plan.weights += (uint64_t)(s.gated ? 2 : 1) * s.feedforward_width * spec.width;
    const Codes out = feed.out;
    widen(out, s.feedforward_width);
    project_and_add(Slot::up, out, w.down, s.post_norms ? &w.feedforward_post_norm : nullptr);
    if (spec.post_norm) {
        const LayerWeights* next = last ? nullptr : &weights.layers[index + 1];
        normalize(w.feedforward_norm, Slot::x, Slot::x, next ? rounding_for({&next->q, &next->k, &next->v}) : Rounding::none);
    }
}

void Compiler::head() {
    Slot from = Slot::x;
    const bool pool_first = spec.averages() && spec.pooling == Pooling::mean_before_norm;
    if (pool_first) from = pool(from);
    if (!spec.post_norm) {
        normalize(weights.final_norm, from, Slot::h, Rounding::none);
        from = Slot::h;
    }
    if (spec.averages() && !pool_first) from = pool(from);
    if (spec.classifier && spec.pooler) {
        from = dense(weights.pooler, from, Slot::dense, false);
        Operation& op = push(Kind::activate);
        op.to[0] = Slot::dense;
        op.activation = Activation::tanh;
    }
    dense(weights.head, from, Slot::logits, true);
    if (spec.logit_softcap > 0) {
        Operation& op = push(Kind::softcap);
        op.to[0] = Slot::logits;
        op.cap = spec.logit_softcap;
    }
}

Slot Compiler::pool(Slot from) {
    Operation& op = push(Kind::pool);
    op.from = from;
    op.to[0] = Slot::pooled;
    widen(Slot::pooled, spec.width);
    return Slot::pooled;
}

Slot Compiler::dense(const Linear& weight, Slot from, Slot to, bool is_head) {
    const Codes codes = weight.w.quantized() ? Codes::first : Codes::none;
    if (codes != Codes::none) quantize(from, codes, weight.w.cols(), rounding_for({&weight}));
    project(from, codes, {{&weight, to}}, false).head = is_head;
    return to;
}

Plan Plan::compile(const ModelSpec& spec, const Weights& weights) {
    Compiler compiler{spec, weights, {}};
    compiler.plan.selects = !spec.averages();
    compiler.widen(Slot::x, spec.width);
    Operation& embed = compiler.push(Kind::embed);
    embed.to[0] = Slot::x;
    if (spec.bigrams) compiler.widen(Slot::h, spec.width);
    if (spec.embedding_norm) {
        const LayerWeights& first = weights.layers[0];
        const Rounding rounding = spec.post_norm ? Compiler::rounding_for({&first.q, &first.k, &first.v}) : Rounding::none;
        compiler.normalize(weights.embedding_norm, Slot::x, Slot::x, rounding);
    }
    for (size_t i = 0; i < spec.layers.size(); ++i) compiler.layer((int)i, i + 1 == spec.layers.size());
    compiler.head();
    return std::move(compiler.plan);
}

}  // namespace sw
