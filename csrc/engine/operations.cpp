#include "engine/operations.h"

#include <algorithm>
#include <cstring>

namespace sw {
namespace {

constexpr size_t kMostCached = (size_t)64 << 20;   // bytes of weights
constexpr int kEvenShares = 16;            // spans of a thread, of which one more or less does not matter
constexpr size_t kFeedFloats = 1u << 15;   // 128 KiB, half of them up and half gate

// The row of a token's pair with the one before it (at the start of a text: the number after the last token).
// The same as hash_pairs in smallwright/model/embedding.py: multiplicative hashing, of which the high bits are mixed.
uint64_t pair_row(uint32_t previous, uint32_t token, uint32_t vocabulary, uint32_t rows) {
    constexpr uint32_t kGolden = 2654435769u;   // 2^32 divided by the golden ratio
    const uint32_t key = previous * vocabulary + token;   // only its low 32 bits count
    return ((uint64_t)(key * kGolden) * rows) >> 32;
}

void embed(Pass& pass) {
    const ModelSpec& spec = pass.model.spec();
    const Weights& weights = pass.model.weights();
    const Kernels& kernels = pass.kernels;
    const size_t width = (size_t)spec.width;
    if (weights.bigrams) pass.counters.pair_rows += pass.rows;
    pass.threads.run((int)pass.rows, [&](int row, int) {
        float* const x = pass.slot(Slot::x) + (size_t)row * width;
        const int position = pass.positions[(size_t)row];
        pass.model.read_embedding(pass.tokens[(size_t)row], x);
        if (spec.embedding_scale != 1) kernels.scale(x, spec.embedding_scale, width);
        if (weights.bigrams) {
            const int previous = position ? pass.tokens[(size_t)row - 1] : spec.vocabulary;
            float* const pair = pass.slot(Slot::h) + (size_t)row * pass.stride(Slot::h);   // nobody uses it yet
            weights.bigrams.read_row(pair_row((uint32_t)previous, (uint32_t)pass.tokens[(size_t)row], (uint32_t)spec.vocabulary, (uint32_t)spec.bigrams), pair);
            kernels.add(x, pair, width);
        }
        if (!weights.token_type.empty()) kernels.add(x, weights.token_type.data(), width);
        if (weights.positions) kernels.add(x, weights.positions + (size_t)position * width, width);
    });
}

void normalize(const Operation& op, Pass& pass) {
    const size_t width = (size_t)pass.model.spec().width;
    const float epsilon = pass.model.spec().epsilon;
    pass.threads.run((int)pass.rows, [&](int row, int) {
        const float* x = pass.slot(op.from) + (size_t)row * width;
        float* y = pass.slot(op.to[0]) + (size_t)row * width;
        if (op.norm->bias.empty()) pass.kernels.rms_norm(x, op.norm->weight.data(), width, epsilon, y);
        else pass.kernels.layer_norm(x, op.norm->weight.data(), op.norm->bias.data(), width, epsilon, y);
        if (op.out != Codes::none) pass.quantize_row(op, y, (size_t)row, 0, width);
    });
}

void quantize(const Operation& op, Pass& pass) {
    const float* x = pass.slot(op.from);
    const size_t stride = pass.stride(op.from);
    pass.threads.run((int)pass.rows, [&](int row, int) { pass.quantize_row(op, x + (size_t)row * stride, (size_t)row, 0, (size_t)op.width); });
}

// Whether a pass finds no weights of the last one in any cache.
bool from_memory(const Pass& pass) { return pass.model.weights().packed_bytes() > kMostCached; }

void project(const Operation& op, Pass& pass) {
    const Rows in = pass.rows_of(op.from, op.in);
    int first[4] = {0};   // panels of the weights, one after the other
    for (int i = 0; i < op.weights; ++i) {
        first[i + 1] = first[i] + op.weight[i]->w.panels();
        pass.counters.weight_bytes_read += op.weight[i]->w.size_bytes();
    }
    if (op.head) pass.counters.head_rows += pass.rows;
    pass.run_even(first[op.weights], [&](int begin, int end, int thread) {
        const int last = from_memory(pass) ? pass.last_of_share(first[op.weights], end, thread) : 0;
        for (int i = 0; i < op.weights; ++i) {
            const int from = std::max(begin, first[i]) - first[i], to = std::min(end, first[i + 1]) - first[i];
            if (from >= to) continue;
            const Output out{pass.slot(op.to[i]), pass.stride(op.to[i]), op.weight[i]->bias_or_null(), op.add};
            op.weight[i]->w.multiply(pass.kernels, in, (int)pass.rows, out, from, to, last - first[i]);
        }
    });
}

void select(Pass& pass) {
    if (pass.keep.size() == pass.rows) return;
    const bool normed = !pass.model.spec().post_norm;
    for (size_t i = 0; i < pass.keep.size(); ++i) {
        const size_t row = pass.keep[i];
        pass.positions[i] = pass.positions[row];
        pass.owner[i] = pass.owner[row];
        if (row == i) continue;
        pass.move_row(Slot::x, row, i);
        if (normed) pass.move_row(Slot::h, row, i);
        pass.move_row(Codes::first, row, i);
    }
    pass.rows = pass.keep.size();
    for (Sequence& sequence : pass.sequences) sequence.rows = 0;
    for (size_t i = pass.rows; i-- > 0;) {   // backwards, so that the first row of a sequence is what stays
        Sequence& sequence = pass.sequences[(size_t)pass.owner[i]];
        sequence.row = i;
        ++sequence.rows;
    }
}

// Columns of a feed-forward's middle: both products, the activation, and the codes that the next product reads.
void feed_columns(const Operation& op, Pass& pass, int panel_begin, int panel_end, bool keeps, int thread) {
    const LayerSpec& s = pass.model.spec().layers[(size_t)op.layer];
    const LayerWeights& weights = pass.model.weights().layers[(size_t)op.layer];
    const Rows in = pass.rows_of(op.from, op.in);
    const int rows = (int)pass.rows;
    const size_t from = (size_t)panel_begin * kPanel, to = std::min((size_t)panel_end * kPanel, (size_t)s.feedforward_width);
    const size_t columns = to - from, wide = (size_t)(panel_end - panel_begin) * kPanel;
    // Where only the codes are read again (keeps), the numbers themselves stay with the thread.
    float* const gate = pass.scratch(thread);
    float* const up = keeps ? gate + pass.rows * wide : pass.slot(Slot::up) + from;
    const size_t up_stride = keeps ? wide : pass.stride(Slot::up);
    const auto multiply = [&](const Linear& linear, float* y, size_t stride) {
        Output out{y - from, stride, linear.bias_or_null(), false};   // products write at a panel's own columns
        linear.w.multiply(pass.kernels, in, rows, out, panel_begin, panel_end, from_memory(pass) ? panel_end : 0);
    };
    multiply(weights.up, up, up_stride);
    if (s.gated) multiply(weights.gate, gate, wide);
    const auto activate = [&](float* x, float* gates, size_t count) {
        pass.kernels.activate[(int)op.activation](s.gated ? gates : x, count);
        if (s.gated) pass.kernels.multiply(x, gates, count);
    };
    const bool together = keeps && columns == wide;   // few columns of many rows, one row after the other
    if (together) activate(up, gate, (size_t)rows * wide);
    for (int row = 0; row < rows; ++row) {
        float* const x = up + (size_t)row * up_stride;
        if (!together) activate(x, gate + (size_t)row * wide, columns);
        if (keeps) pass.quantize_row(op, x, (size_t)row, from, columns);
    }
}

void feed(const Operation& op, Pass& pass) {
    const LayerWeights& weights = pass.model.weights().layers[(size_t)op.layer];
    const int panels = weights.up.w.panels();
    // A thread quantises what it makes, if that is whole blocks, or whole spans: unless there are too few to share out evenly.
    const int span = kSpan / kPanel, block = kBlock / kPanel, threads = pass.threads.count();
    const bool even = op.rounding != Rounding::spans || panels % (span * threads) == 0 || panels >= span * threads * kEvenShares;
    const int unit = op.rounding == Rounding::spans && even ? span : block, units = (panels + unit - 1) / unit;
    pass.counters.weight_bytes_read += weights.up.w.size_bytes();
    if (pass.model.spec().layers[(size_t)op.layer].gated) pass.counters.weight_bytes_read += weights.gate.w.size_bytes();
    // Of many rows a thread takes so few columns at a time that what is between the products stays in its cache.
    const int most = std::max(1, std::min(units, (int)(kFeedFloats / 2 / (unit * kPanel * pass.rows))));
    const bool keeps = even && op.out != Codes::none;
    pass.reserve_scratch(2 * pass.rows * (size_t)most * unit * kPanel);
    pass.run_even(units, [&](int first, int last, int thread) {
        for (int i = first; i < last; i += most) feed_columns(op, pass, i * unit, std::min(std::min(i + most, last) * unit, panels), keeps, thread);
    });
    if (op.out == Codes::none || keeps) return;
    const float* const up = pass.slot(Slot::up);
    const size_t stride = pass.stride(Slot::up), width = (size_t)weights.up.w.rows();
    pass.threads.run((int)pass.rows, [&](int row, int) { pass.quantize_row(op, up + (size_t)row * stride, (size_t)row, 0, width); });
}

void pool(const Operation& op, Pass& pass) {
    const size_t width = (size_t)pass.model.spec().width;
    pass.threads.run((int)pass.sequences.size(), [&](int i, int) {
        const Sequence& sequence = pass.sequences[(size_t)i];
        float* const mean = pass.slot(op.to[0]) + (size_t)i * width;
        const float* x = pass.slot(op.from) + sequence.row * width;
        std::memcpy(mean, x, width * sizeof(float));
        for (size_t r = 1; r < sequence.rows; ++r) pass.kernels.add(mean, x + r * width, width);
        pass.kernels.scale(mean, 1.0f / (float)sequence.rows, width);
    });
    pass.rows = pass.sequences.size();
}

template <class F>
void for_rows(Slot slot, Pass& pass, F&& f) {
    const size_t width = pass.stride(slot);
    float* const x = pass.slot(slot);
    pass.threads.run((int)pass.rows, [&](int row, int) { f(x + (size_t)row * width, width); });
}

void add(const Operation& op, Pass& pass) {
    const size_t width = (size_t)pass.model.spec().width;
    pass.threads.run((int)pass.rows, [&](int row, int) {
        pass.kernels.add(pass.slot(op.to[0]) + (size_t)row * width, pass.slot(op.from) + (size_t)row * width, width);
    });
}

}  // namespace

void run_operation(const Operation& op, Pass& pass) {
    using Kind = Operation::Kind;
    switch (op.kind) {
        case Kind::embed: return embed(pass);
        case Kind::norm: return normalize(op, pass);
        case Kind::quantize: return quantize(op, pass);
        case Kind::project: return project(op, pass);
        case Kind::select: return select(pass);
        case Kind::feed: return feed(op, pass);
        case Kind::pool: return pool(op, pass);
        case Kind::add: return add(op, pass);
        case Kind::activate:
            return for_rows(op.to[0], pass, [&](float* x, size_t n) { pass.kernels.activate[(int)op.activation](x, n); });
        case Kind::softcap:
            return for_rows(op.to[0], pass, [&](float* x, size_t n) {
                pass.kernels.scale(x, 1.0f / op.cap, n);
                pass.kernels.activate[(int)Activation::tanh](x, n);
                pass.kernels.scale(x, op.cap, n);
            });
        case Kind::store:
        case Kind::mix: return;   // the layer's mixer runs these
    }
}

}  // namespace sw
