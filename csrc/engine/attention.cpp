// Attention over all tokens, or a window of them, with keys and values of 8, 16 or 32 bits.
// Source: Vaswani et al. 2017, Attention Is All You Need, equation 1; grouped queries: Ainslie et al. 2023.
#include <algorithm>
#include <cstring>

#include "engine/cache.h"
#include "engine/mixer.h"
#include "engine/rotary.h"

namespace sw {
namespace {

constexpr int kTileRows = 16;   // queries that are answered together: the rows of a tile of AMX

void load_attention(const Loader& load, size_t index, LayerWeights& w) {
    const LayerSpec& s = load.spec.layers[index];
    const std::string block = Loader::block(index);
    const uint64_t width = load.spec.width, query = (uint64_t)s.heads * s.head_width, keys = (uint64_t)s.key_value_heads * s.head_width;
    w.q = load.linear(block + "attn_q", query, width, s.bias);
    w.k = load.linear(block + "attn_k", keys, width, s.bias);
    w.v = load.linear(block + "attn_v", keys, width, s.bias);
    if (s.qk_norm) {
        w.q_norm = load.vector(block + "attn_q_norm.weight", s.head_width);
        w.k_norm = load.vector(block + "attn_k_norm.weight", s.head_width);
    }
    w.output = load.linear(block + "attn_output", width, query, s.output_bias);
}

void compile_attention(Compiler& c, int index, bool last) {
    using Kind = Operation::Kind;
    const LayerSpec& s = c.spec.layers[index];
    const LayerWeights& w = c.weights.layers[index];
    const Rounding rounding = Compiler::rounding_for({&w.q, &w.k, &w.v});
    const Codes first = rounding == Rounding::none ? Codes::none : Codes::first;
    if (!c.spec.post_norm) c.normalize(w.mixer_norm, Slot::x, Slot::h, rounding);
    else if (first != Codes::none && index == 0 && !c.spec.embedding_norm) c.quantize(Slot::x, first, c.spec.width, rounding);
    if (last && c.plan.selects) {   // of the last layer's queries only those are needed that reach the head
        c.project(c.layer_input(), first, {{&w.k, Slot::k}, {&w.v, Slot::v}}, false);
        c.push(Kind::store, index);
        c.push(Kind::select, index);
        c.project(c.layer_input(), first, {{&w.q, Slot::q}}, false);
    } else {
        c.project(c.layer_input(), first, {{&w.q, Slot::q}, {&w.k, Slot::k}, {&w.v, Slot::v}}, false);
        c.push(Kind::store, index);
    }
    const int query = s.heads * s.head_width;
    const Codes mixed = w.output.w.quantized() ? Codes::second : Codes::none;
    const Rounding output = Compiler::rounding_for({&w.output});
    const bool fused = s.head_width % (output == Rounding::spans ? kSpan : kBlock) == 0;   // a head fills what shares a scale
    Operation& mix = c.push(Kind::mix, index);
    mix.to[0] = Slot::mixed;
    if (fused) mix.out = mixed;
    mix.rounding = output;
    c.widen(Slot::mixed, query);
    c.widen(mixed, query);
    if (!fused && mixed != Codes::none) c.quantize(Slot::mixed, mixed, query, output);
}

// Queries that share keys: several rows of one head, or several heads of one row.
struct Tile {
    const Sequence* sequence;
    size_t row;
    int rows, head, heads;
    int count() const { return rows * heads; }
    size_t row_of(int i) const { return heads > 1 ? row : row + (size_t)i; }
};

// A thread's numbers while it answers a tile: scores, and codes of queries and of shares.
struct Scratch {
    size_t stride = 0;   // numbers of a row, a multiple of 64
    Buffer scores, q, scale, offset, half;
    void reserve(size_t numbers, bool codes) {
        if (numbers <= stride) return;
        stride = round_up(numbers, 64);
        scores = Buffer(kTileRows * stride * sizeof(float));
        if (!codes) return;
        q = Buffer(kTileRows * stride);
        for (Buffer* blocks : {&scale, &offset, &half}) *blocks = Buffer(kTileRows * stride / kBlock * sizeof(float));
    }
    void quantize(const Kernels& kernels, int row, size_t count) const {
        const size_t at = (size_t)row * stride, block = at / kBlock;
        kernels.quantize(scores.as<float>() + at, count, q.as<int8_t>() + at, scale.as<float>() + block, offset.as<int32_t>() + block,
                         half.as<int32_t>() + block);
    }
    Rows rows() const {
        Rows out;
        out.f32 = scores.as<float>();
        out.f32_stride = stride;
        out.q = q.as<int8_t>();
        out.scale = scale.as<float>();
        out.offset = offset.as<int32_t>();
        out.half = half.as<int32_t>();
        out.q_stride = stride;
        return out;
    }
};

// The keys and values of one text.
class AttentionState : public MixerState {
public:
    AttentionState(const ModelSpec& spec, int kv_bits) {
        for (const LayerSpec& layer : spec.layers) layers.emplace_back(layer.key_value_heads, layer.head_width, kv_bits);
    }

    void reserve(size_t tokens) override {
        for (KeyValues& layer : layers) layer.reserve(tokens);
    }

    uint64_t size_bytes() const override {
        uint64_t bytes = 0;
        for (const KeyValues& layer : layers) bytes += layer.size_bytes();
        return bytes;
    }

    void copy(const MixerState& from, size_t tokens) override {
        for (size_t i = 0; i < layers.size(); ++i) layers[i].copy(static_cast<const AttentionState&>(from).layers[i], tokens);
    }

    size_t saved_bytes(size_t tokens) const override {
        size_t bytes = 0;
        each_part(tokens, [&](const KeyValues::Part& part) { bytes += part.size_bytes; });
        return bytes;
    }

    void save(size_t tokens, uint8_t* to) const override {
        each_part(tokens, [&](const KeyValues::Part& part) {
            std::memcpy(to, part.data, part.size_bytes);
            to += part.size_bytes;
        });
    }

    void restore(size_t tokens, const uint8_t* from) override {
        each_part(tokens, [&](const KeyValues::Part& part) {
            std::memcpy(part.data, from, part.size_bytes);
            from += part.size_bytes;
        });
    }

    std::vector<KeyValues> layers;

private:
    template <class F>
    void each_part(size_t tokens, F&& f) const {
        for (const KeyValues& layer : layers)
            for (const KeyValues::Part& part : layer.parts(tokens)) f(part);
    }
};

class Attention : public Mixer {
public:
    Attention(const Model& model, int kv_bits, int threads)
        : spec_(model.spec()), weights_(model.weights()), rotary_(model.spec(), model.weights().rotary_factors), kv_bits_(kv_bits),
          scratch_((size_t)threads) {}

    std::unique_ptr<MixerState> make_state() const override { return std::make_unique<AttentionState>(spec_, kv_bits_); }

    void prepare(Pass& pass) override {
        const size_t longest = pass.longest();
        size_t numbers = longest;
        for (const LayerSpec& layer : spec_.layers) numbers = std::max(numbers, round_up((size_t)layer.head_width, kBlock));
        for (Scratch& scratch : scratch_) scratch.reserve(numbers, !spec_.classifier);
        rotary_.reserve(longest);
    }

    void store(const Operation& op, Pass& pass) override;
    void mix(const Operation& op, Pass& pass) override;

private:
    KeyValues& cache(int layer, const Sequence& sequence);
    void reserve_forgotten(const Pass& pass, int layer);
    void store_head(const Operation& op, Pass& pass, size_t row, int head);
    void store_text(const Operation& op, Pass& pass, const Sequence& sequence, int head);
    float* turn_key(const LayerSpec& s, const Operation& op, Pass& pass, size_t row, int head);
    void make_tiles(const LayerSpec& s, const Pass& pass);
    void answer(const Operation& op, Pass& pass, const Tile& tile, const Scratch& scratch);
    void cap(const Kernels& kernels, float* scores, size_t n, float softcap) const;

    const ModelSpec& spec_;
    const Weights& weights_;
    Rotary rotary_;
    int kv_bits_;
    std::vector<KeyValues> forgotten_;  // of the layer at hand, one for every shape of heads; whole texts share it
    std::vector<Scratch> scratch_;
    std::vector<Tile> tiles_;
    bool store_late_ = false;           // tiles store the keys that they attend to
};

KeyValues& Attention::cache(int layer, const Sequence& sequence) {
    const LayerSpec& s = spec_.layers[(size_t)layer];
    if (sequence.state) return static_cast<AttentionState&>(sequence.state->of(s.mixer)).layers[(size_t)layer];
    const auto same = [&](const KeyValues& k) { return k.fits(s.key_value_heads, s.head_width); };
    return *std::find_if(forgotten_.begin(), forgotten_.end(), same);
}

void Attention::reserve_forgotten(const Pass& pass, int layer) {
    const LayerSpec& s = spec_.layers[(size_t)layer];
    const Sequence& last = pass.sequences.back();
    if (last.state) return;
    const auto same = [&](const KeyValues& k) { return k.fits(s.key_value_heads, s.head_width); };
    auto found = std::find_if(forgotten_.begin(), forgotten_.end(), same);
    if (found == forgotten_.end()) found = forgotten_.insert(found, KeyValues(s.key_value_heads, s.head_width, 32));
    found->reserve(last.start + last.length);
}

void Attention::store(const Operation& op, Pass& pass) {
    const LayerSpec& s = spec_.layers[(size_t)op.layer];
    // One row of every text: the tile that attends to a head stores it first, one section of threads less.
    store_late_ = pass.rows == pass.sequences.size() && s.heads / s.key_value_heads <= kTileRows && pass.keep.size() == pass.rows;
    reserve_forgotten(pass, op.layer);
    if (store_late_) return;
    if (!pass.sequences.back().state) {
        pass.run_even((int)pass.sequences.size() * s.key_value_heads, [&](int begin, int end, int) {
            for (int i = begin; i < end; ++i) store_text(op, pass, pass.sequences[(size_t)(i / s.key_value_heads)], i % s.key_value_heads);
        });
        return;
    }
    pass.run_even((int)pass.rows * s.key_value_heads, [&](int begin, int end, int) {
        for (int i = begin; i < end; ++i) store_head(op, pass, (size_t)(i / s.key_value_heads), i % s.key_value_heads);
    });
}

// The key of one row and one head, normalised and rotated.
float* Attention::turn_key(const LayerSpec& s, const Operation& op, Pass& pass, size_t row, int head) {
    float* const key = pass.slot(Slot::k) + row * pass.stride(Slot::k) + (size_t)(head * s.head_width);
    if (s.qk_norm) pass.kernels.rms_norm(key, weights_.layers[(size_t)op.layer].k_norm.data(), (size_t)s.head_width, spec_.epsilon, key);
    rotary_.turn(pass.kernels, s, key, pass.positions[row]);
    return key;
}

void Attention::store_head(const Operation& op, Pass& pass, size_t row, int head) {
    const LayerSpec& s = spec_.layers[(size_t)op.layer];
    const float* const key = turn_key(s, op, pass, row, head);
    const float* const value = pass.slot(Slot::v) + row * pass.stride(Slot::v) + (size_t)(head * s.head_width);
    const Sequence& sequence = pass.sequences[(size_t)pass.owner[row]];
    cache(op.layer, sequence).store(pass.kernels, head, sequence.start + (size_t)pass.positions[row], key, value);
}

// All rows of a whole text.
void Attention::store_text(const Operation& op, Pass& pass, const Sequence& sequence, int head) {
    const LayerSpec& s = spec_.layers[(size_t)op.layer];
    KeyValues& keys_values = cache(op.layer, sequence);
    const float* const values = pass.slot(Slot::v) + sequence.row * pass.stride(Slot::v) + (size_t)(head * s.head_width);
    for (size_t begin = 0; begin < sequence.rows; begin += kPanel) {
        const size_t tokens = std::min<size_t>(kPanel, sequence.rows - begin);
        for (size_t i = 0; i < tokens; ++i) turn_key(s, op, pass, sequence.row + begin + i, head);
        const float* const keys = pass.slot(Slot::k) + (sequence.row + begin) * pass.stride(Slot::k) + (size_t)(head * s.head_width);
        keys_values.store_panel(pass.kernels, head, sequence.start + begin, tokens, keys, pass.stride(Slot::k),
                                values + begin * pass.stride(Slot::v), pass.stride(Slot::v));
    }
}

void Attention::make_tiles(const LayerSpec& s, const Pass& pass) {
    const int group = s.heads / s.key_value_heads;
    tiles_.clear();
    for (const Sequence& sequence : pass.sequences) {
        if (sequence.rows == 1 && group > 1) {   // the query heads that share a key head go together
            for (int head = 0; head < s.heads; head += group)
                for (int h = 0; h < group; h += kTileRows) tiles_.push_back({&sequence, sequence.row, 1, head + h, std::min(kTileRows, group - h)});
            continue;
        }
        for (int head = 0; head < s.heads; ++head)
            for (size_t r = 0; r < sequence.rows; r += kTileRows)
                tiles_.push_back({&sequence, sequence.row + r, (int)std::min<size_t>(kTileRows, sequence.rows - r), head, 1});
    }
}

void Attention::mix(const Operation& op, Pass& pass) {
    make_tiles(spec_.layers[(size_t)op.layer], pass);
    // few tiles are shared out one by one, many in runs
    const size_t run = tiles_.size() / ((size_t)pass.threads.count() * 16) + 1;
    pass.threads.run((int)((tiles_.size() + run - 1) / run), [&](int task, int thread) {
        const size_t end = std::min(tiles_.size(), ((size_t)task + 1) * run);
        for (size_t i = (size_t)task * run; i < end; ++i) answer(op, pass, tiles_[i], scratch_[(size_t)thread]);
    });
}

// c tanh(x / c): nearly x where it is small, never beyond c.
void Attention::cap(const Kernels& kernels, float* scores, size_t n, float softcap) const {
    kernels.scale(scores, 1.0f / softcap, n);
    kernels.activate[(int)Activation::tanh](scores, n);
    kernels.scale(scores, softcap, n);
}

void Attention::answer(const Operation& op, Pass& pass, const Tile& tile, const Scratch& scratch) {
    const Kernels& kernels = pass.kernels;
    const KeyValues& keys_values = cache(op.layer, *tile.sequence);
    const LayerSpec& s = spec_.layers[(size_t)op.layer];
    const int n = tile.count(), key_head = tile.head / (s.heads / s.key_value_heads);
    const size_t width = (size_t)s.head_width, start = tile.sequence->start;
    const size_t q_step = tile.heads > 1 ? width : pass.stride(Slot::q), mixed_step = tile.heads > 1 ? width : pass.stride(Slot::mixed);
    float* q = pass.slot(Slot::q) + tile.row * pass.stride(Slot::q) + (size_t)tile.head * width;
    float* mixed = pass.slot(Slot::mixed) + tile.row * pass.stride(Slot::mixed) + (size_t)tile.head * width;
    const auto valid = [&](int i) { return spec_.causal ? (size_t)pass.positions[tile.row_of(i)] + 1 : tile.sequence->length; };
    const size_t length = valid(n - 1), filled = round_up(length, kBlock);
    const bool codes = keys_values.bits() == 8;
    const Product product = kernels.products.of[(int)keys_values.format()];
    float* const scores = scratch.scores.as<float>();
    if (store_late_) store_head(op, pass, tile.row, key_head);
    for (int i = 0; i < n; ++i) {
        float* const query = q + (size_t)i * q_step;
        if (s.qk_norm) kernels.rms_norm(query, weights_.layers[(size_t)op.layer].q_norm.data(), width, spec_.epsilon, query);
        rotary_.turn(kernels, s, query, pass.positions[tile.row_of(i)]);
        kernels.scale(query, s.query_scale, width);
        if (!codes) continue;
        float* const whole = scores + (size_t)i * scratch.stride;   // filled up; the scores take its place
        std::memcpy(whole, query, width * sizeof(float));
        std::fill(whole + width, whole + keys_values.key_width(), 0.0f);
        scratch.quantize(kernels, i, (size_t)keys_values.key_width());
    }
    Rows queries = scratch.rows();
    queries.f32 = q;
    queries.f32_stride = q_step;
    const Matrix keys = keys_values.keys(key_head, start, length);
    product(keys, queries, n, Output{scores, scratch.stride, nullptr, false}, 0, (int)((length + kPanel - 1) / kPanel));
    float sums[kTileRows];
    for (int i = 0; i < n; ++i) {
        float* const row = scores + (size_t)i * scratch.stride;
        const size_t seen = valid(i), from = s.window ? seen - std::min<size_t>(seen, (size_t)s.window) : 0;
        if (s.score_softcap > 0) cap(kernels, row + from, seen - from, s.score_softcap);
        std::fill(row, row + from, 0.0f);
        sums[i] = kernels.softmax(row + from, seen - from, (codes ? filled : length) - from);
        if (!codes) continue;
        kernels.multiply(row + from, keys_values.value_scales(key_head) + from, seen - from);
        scratch.quantize(kernels, i, filled);
    }
    const Matrix values = keys_values.values(key_head, start, length);
    product(values, scratch.rows(), n, Output{mixed, mixed_step, nullptr, false}, 0, (s.head_width + kPanel - 1) / kPanel);
    for (int i = 0; i < n; ++i) {
        kernels.scale(mixed + (size_t)i * mixed_step, 1.0f / sums[i], width);
        if (op.out == Codes::none) continue;
        const size_t column = (size_t)(tile.head + (tile.heads > 1 ? i : 0)) * width;
        pass.quantize_row(op, mixed + (size_t)i * mixed_step, tile.row_of(i), column, width);
    }
}

std::unique_ptr<Mixer> make_attention(const Model& model, int kv_bits, int threads) {
    return std::make_unique<Attention>(model, kv_bits, threads);
}

}  // namespace

extern const MixerKind attention_kind;
const MixerKind attention_kind = {"attention", load_attention, compile_attention, make_attention};

}  // namespace sw
