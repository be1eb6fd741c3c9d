// Running a plan: every operation is one section of tasks that never share an output, so that threads, tiles and batches
// cannot change a bit of any result.
#include "engine/session.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

namespace sw {
namespace {

constexpr size_t kRowsOfPass = 256;   // a longer prompt is cut into passes, more sequences into batches
constexpr size_t kTileRows = 6;
constexpr int kPair = kBlock / kPanel;        // panels whose outputs fill a block of the next product
constexpr size_t kFeedFloats = 1u << 15;      // 128 KiB
constexpr int kTasksOfThread = 4;             // of a section: what others can take from a thread that does not run
constexpr size_t kWorthThreads = 1u << 20;    // multiply-adds of a pass that are done before a second thread has woken

size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

}  // namespace

Session::Session(const Model& model, int threads, int kv_bits)
    : model_(model), kernels_(model.kernels()), threads_(threads), kv_bits_(kv_bits) {
    if (kv_bits != 16 && kv_bits != 32)
        throw Error("bad_argument", "kv_bits must be 16 or 32. Got " + std::to_string(kv_bits) + ".");
    cache_.resize(model.spec().classifier ? 0 : model.spec().layers.size());
    thread_scores_.resize(threads_.count());
    thread_feed_.resize(threads_.count());
    if (model.spec().rotary_base > 0) {
        for (const LayerSpec& layer : model.spec().layers) {
            const auto same = [&](const Rotary& r) { return r.fits(layer); };
            if (layer.rotary_base <= 0 || std::any_of(rotary_.begin(), rotary_.end(), same)) continue;
            Rotary rotary;
            rotary.width = layer.head_width;
            rotary.base = layer.rotary_base;
            rotary.factor = layer.rotary_factor;
            const auto& factors = model.weights().rotary_factors;
            for (int i = 0; i < layer.head_width / 2; ++i) {
                const double frequency = std::pow((double)layer.rotary_base, -2.0 * i / layer.head_width) / layer.rotary_factor;
                rotary.frequencies.push_back((float)(factors.empty() ? frequency : frequency / factors[i]));
            }
            rotary_.push_back(std::move(rotary));
        }
    }
}

Counters Session::counters() const { return counters_; }

void Session::check_tokens(const int32_t* tokens, size_t count) const {
    const int32_t vocabulary = model_.spec().vocabulary;
    for (size_t i = 0; i < count; ++i)
        if (tokens[i] < 0 || tokens[i] >= vocabulary)
            throw Error("bad_token", "a token must be from 0 to " + std::to_string(vocabulary - 1) + ". Got " +
                                         std::to_string(tokens[i]) + " at position " + std::to_string(i) + ".");
}

void Session::check_finite(const float* logits, size_t count) const {
    int bad = 0;
    for (size_t i = 0; i < count; ++i) bad |= logits[i] != logits[i];   // no early exit: this runs in vectors
    if (bad)
        throw Error("nan_logits", "logits must be numbers. Got NaN: the weights hold values that are not finite or far too large.");
}

// ---- memory

void Session::reserve_rows(size_t rows) {
    if (rows <= row_capacity_) return;
    const Plan& plan = model_.plan();
    rows = round_up(rows, 16);
    size_t total = 0;
    const auto place = [&](size_t size_bytes) {
        const size_t at = total;
        total += round_up(size_bytes, 64);
        return at;
    };
    size_t at_slot[(int)Slot::count], at_codes[(int)Codes::count][4];
    for (int i = 0; i < (int)Slot::count; ++i)
        at_slot[i] = place(i == (int)Slot::logits ? 0 : rows * plan.widths[i] * sizeof(float));
    for (int i = 0; i < (int)Codes::count; ++i) {
        const size_t width = plan.code_widths[i];
        at_codes[i][0] = place(rows * width);
        at_codes[i][1] = place(rows * (width / kBlock) * sizeof(float));
        for (int part : {2, 3}) at_codes[i][part] = place(rows * (width / kBlock) * sizeof(int32_t));
    }
    row_capacity_ = 0;
    arena_ = Buffer();
    arena_ = Buffer(total);
    for (int i = 0; i < (int)Slot::count; ++i) slots_[i] = reinterpret_cast<float*>(arena_.as() + at_slot[i]);
    for (int i = 0; i < (int)Codes::count; ++i) {
        codes_[i] = reinterpret_cast<int8_t*>(arena_.as() + at_codes[i][0]);
        code_scales_[i] = reinterpret_cast<float*>(arena_.as() + at_codes[i][1]);
        code_offsets_[i] = reinterpret_cast<int32_t*>(arena_.as() + at_codes[i][2]);
        code_halves_[i] = reinterpret_cast<int32_t*>(arena_.as() + at_codes[i][3]);
    }
    row_capacity_ = rows;
}

void Session::reserve_cache(size_t tokens) {
    if (tokens <= cache_capacity_) return;
    const size_t most = round_up(model_.spec().context, 16);
    const size_t capacity = std::min(most, std::max(round_up(tokens, 16), std::max<size_t>(64, 2 * cache_capacity_)));
    const size_t size = kv_bits_ / 8;
    std::vector<LayerCache> grown(cache_.size());
    uint64_t bytes = 0;
    for (size_t i = 0; i < cache_.size(); ++i) {
        const LayerSpec& layer = model_.spec().layers[i];
        const size_t heads = layer.key_value_heads, width = layer.head_width, padded = round_up(width, kPanel);
        grown[i].keys = Buffer(heads * capacity * width * size);
        grown[i].values = Buffer(heads * capacity * padded * size);
        bytes += grown[i].keys.size_bytes() + grown[i].values.size_bytes();
        if (cache_capacity_ == 0) continue;
        for (size_t head = 0; head < heads; ++head)
            std::memcpy(grown[i].keys.as() + head * capacity * width * size,
                        cache_[i].keys.as() + head * cache_capacity_ * width * size, cache_capacity_ * width * size);
        const size_t panels = heads * padded / kPanel;
        for (size_t panel = 0; panel < panels; ++panel)
            std::memcpy(grown[i].values.as() + panel * capacity * kPanel * size,
                        cache_[i].values.as() + panel * cache_capacity_ * kPanel * size, cache_capacity_ * kPanel * size);
    }
    cache_ = std::move(grown);
    cache_capacity_ = capacity;
    counters_.kv_bytes = bytes;
}

void Session::reserve_rotary(size_t positions) {
    if (positions <= rotary_positions_ || rotary_.empty()) return;
    positions = std::max(positions, std::min<size_t>(model_.spec().context, 2 * rotary_positions_));
    for (Rotary& rotary : rotary_) {
        const size_t half = rotary.width / 2;
        rotary.cos.resize(positions * half);
        rotary.sin.resize(positions * half);
        for (size_t p = rotary_positions_; p < positions; ++p) {
            for (size_t i = 0; i < half; ++i) {
                const float angle = (float)p * rotary.frequencies[i];
                rotary.cos[p * half + i] = (float)std::cos((double)angle);
                rotary.sin[p * half + i] = (float)std::sin((double)angle);
            }
        }
    }
    rotary_positions_ = positions;
}

void Session::reserve_thread_scratch(size_t keys) {
    if (keys <= thread_score_keys_) return;
    keys = round_up(keys, 64);
    thread_score_keys_ = 0;
    for (Buffer& scores : thread_scores_) scores = Buffer(keys * kTileRows * sizeof(float));
    thread_score_keys_ = keys;
}

void Session::reserve_feed_scratch(size_t floats) {
    if (floats <= thread_feed_floats_) return;
    thread_feed_floats_ = 0;
    for (Buffer& scratch : thread_feed_) scratch = Buffer(2 * floats * sizeof(float));
    thread_feed_floats_ = floats;
}

// ---- requests

void Session::classify(const int32_t* tokens, const size_t* offsets, size_t count, float* logits) {
    const ModelSpec& spec = model_.spec();
    if (!spec.classifier) throw Error("wrong_task", "classify needs a model with classes. This one generates text.");
    for (size_t i = 0; i < count; ++i) {
        if (offsets[i + 1] <= offsets[i])
            throw Error("empty_input", "a text must have at least one token. Got none in text " + std::to_string(i) + ".");
        if (offsets[i + 1] - offsets[i] > (size_t)spec.context)
            throw Error("too_long", "a text must have at most " + std::to_string(spec.context) + " tokens. Got " +
                                        std::to_string(offsets[i + 1] - offsets[i]) + " in text " + std::to_string(i) + ".");
        check_tokens(tokens + offsets[i], offsets[i + 1] - offsets[i]);
    }
    for (size_t i = 0; i < count;) {
        sequences_.clear();
        positions_.clear();
        keep_.clear();
        scratch_tokens_ = 0;
        rows_ = 0;
        const size_t begin = i;
        while (i < count && (rows_ == 0 || rows_ + offsets[i + 1] - offsets[i] <= kRowsOfPass)) {
            Sequence sequence;
            sequence.row = rows_;
            sequence.rows = sequence.length = offsets[i + 1] - offsets[i];
            sequence.start = scratch_tokens_;
            sequence.capacity = round_up(sequence.rows, 16);
            scratch_tokens_ += sequence.capacity;
            for (size_t p = 0; p < sequence.rows; ++p) positions_.push_back((int32_t)p);
            keep_.push_back(spec.pooling == Pooling::last ? rows_ + sequence.rows - 1 : rows_);
            rows_ += sequence.rows;
            sequences_.push_back(sequence);
            ++i;
        }
        tokens_ = tokens + offsets[begin];
        float* out = logits + begin * spec.labels.size();
        run_pass(false, out);
        check_finite(out, (i - begin) * spec.labels.size());
    }
}

void Session::append(const int32_t* tokens, size_t count, bool all_rows, float* logits) {
    const ModelSpec& spec = model_.spec();
    if (spec.classifier) throw Error("wrong_task", "append needs a model that generates text. This one classifies.");
    if (count == 0) throw Error("empty_input", "append needs at least one token. Got none.");
    if (count > (size_t)spec.context - length_)
        throw Error("context_full", "a text must have at most " + std::to_string(spec.context) + " tokens (the model's context). Got " +
                                        std::to_string(count) + " after " + std::to_string(length_) + ".");
    check_tokens(tokens, count);
    reserve_cache(length_ + count);
    const size_t vocabulary = spec.vocabulary;
    for (size_t done = 0; done < count;) {
        const size_t rows = std::min(kRowsOfPass, count - done);
        Sequence sequence;
        sequence.rows = rows_ = rows;
        sequence.past = length_ + done;
        sequence.length = sequence.past + rows;
        sequences_.assign(1, sequence);
        positions_.resize(rows);
        keep_.clear();
        const bool last = done + rows == count;
        for (size_t r = 0; r < rows; ++r) {
            positions_[r] = (int32_t)(sequence.past + r);
            if (logits && (all_rows || (last && r + 1 == rows))) keep_.push_back(r);
        }
        tokens_ = tokens + done;
        float* out = logits && all_rows ? logits + done * vocabulary : logits;
        run_pass(true, out);
        check_finite(out, keep_.size() * vocabulary);
        done += rows;
    }
    length_ += count;
}

void Session::truncate(size_t length) {
    if (length > length_)
        throw Error("bad_argument", "truncate cannot make the state longer. Got " + std::to_string(length) + ", the state has " +
                                        std::to_string(length_) + " tokens.");
    length_ = length;
}

int Session::generate(std::string_view prompt, const Sampling& sampling,
                      const std::function<bool(std::string_view, int32_t)>& on_text) {
    sampling.check();
    if (model_.spec().classifier) throw Error("wrong_task", "generate needs a model that generates text. This one classifies.");
    const std::vector<int32_t> tokens = model_.encode_prompt(prompt);
    if (tokens.empty()) throw Error("empty_input", "a prompt must have at least one token. Got none.");
    if (tokens.size() > (size_t)model_.spec().context)
        throw Error("too_long", "a prompt must have at most " + std::to_string(model_.spec().context) + " tokens. Got " +
                                    std::to_string(tokens.size()) + ".");
    length_ = 0;
    std::vector<float> logits(model_.spec().vocabulary);
    append(tokens.data(), tokens.size(), false, logits.data());
    Sampler sampler(sampling);
    Utf8Stream text;
    const int32_t end = model_.tokenizer().end_token();
    int generated = 0;
    while (generated < sampling.max_tokens) {
        const int32_t token = sampler.next(logits.data(), (int32_t)logits.size());
        if (token == end) break;
        ++generated;
        if (!on_text(text.push(model_.tokenizer().decode_token(token)), token)) return generated;
        if (generated == sampling.max_tokens || length_ == (size_t)model_.spec().context) break;
        append(&token, 1, false, logits.data());
    }
    const std::string rest = text.finish();
    if (!rest.empty()) on_text(rest, -1);
    return generated;
}

// ---- a pass

void Session::run_pass(bool cached, float* logits) {
    cached_ = cached;
    reserve_rows(rows_);
    size_t longest = 0;
    for (const Sequence& sequence : sequences_) longest = std::max(longest, sequence.length);
    reserve_thread_scratch(longest);
    reserve_rotary(longest);
    if (!cached) {
        size_t keys = 0, values = 0;
        for (const LayerSpec& layer : model_.spec().layers) {
            keys = std::max(keys, (size_t)layer.key_value_heads * layer.head_width);
            values = std::max(values, (size_t)layer.key_value_heads * round_up(layer.head_width, kPanel));
        }
        if (scratch_keys_.size_bytes() < keys * scratch_tokens_ * sizeof(float)) {
            scratch_keys_ = Buffer(keys * scratch_tokens_ * sizeof(float));
            scratch_values_ = Buffer(values * scratch_tokens_ * sizeof(float));
        }
    }
    slots_[(int)Slot::logits] = logits;
    ++counters_.passes;
    counters_.tokens += rows_;
    const bool pooled = !model_.plan().selects;
    owner_.resize(rows_);
    for (size_t i = 0; i < sequences_.size(); ++i)
        std::fill_n(owner_.begin() + (ptrdiff_t)sequences_[i].row, sequences_[i].rows, (int)i);
    std::optional<Threads::Pass> pass;
    if (rows_ * model_.plan().weights > kWorthThreads) pass.emplace(threads_);
    for (const Operation& op : model_.plan().operations) {
        step(op);
        // Nobody asked for logits: the state is complete once the last layer's keys are stored.
        if (!pooled && op.kind == Operation::Kind::select && rows_ == 0) return;
    }
}

void Session::step(const Operation& op) {
    switch (op.kind) {
        case Operation::Kind::embed: return embed();
        case Operation::Kind::norm: return normalize(op);
        case Operation::Kind::quantize: return quantize(op);
        case Operation::Kind::project: return project(op);
        case Operation::Kind::keys: return store_keys(op);
        case Operation::Kind::select: return select(op);
        case Operation::Kind::attend: return attend(op);
        case Operation::Kind::feed: return feed(op);
        case Operation::Kind::pool: return pool(op);
        case Operation::Kind::activate: {
            const size_t width = stride(op.to[0]);
            float* x = slot(op.to[0]);
            threads_.run((int)rows_, [&](int row, int) { kernels_.activate[(int)op.activation](x + row * width, width); });
            return;
        }
        case Operation::Kind::add: return add(op);
        case Operation::Kind::softcap: {
            const size_t width = stride(op.to[0]);
            float* x = slot(op.to[0]);
            threads_.run((int)rows_, [&](int row, int) { cap(x + row * width, width, op.cap); });
            return;
        }
    }
}

Rows Session::rows_of(Slot from, Codes codes) const {
    Rows rows;
    rows.f32 = slot(from);
    rows.f32_stride = stride(from);
    if (codes != Codes::none) {
        rows.q = codes_[(int)codes];
        rows.scale = code_scales_[(int)codes];
        rows.offset = code_offsets_[(int)codes];
        rows.half = code_halves_[(int)codes];
        rows.q_stride = model_.plan().code_widths[(int)codes];
    }
    return rows;
}

// Columns [begin, begin + count) of a row; both divisible by 32.
void Session::quantize_row(Codes codes, const float* x, size_t row, size_t begin, size_t count) {
    const size_t width = model_.plan().code_widths[(int)codes];
    const size_t block = row * (width / kBlock) + begin / kBlock;
    kernels_.quantize(x, count, codes_[(int)codes] + row * width + begin, code_scales_[(int)codes] + block,
                      code_offsets_[(int)codes] + block, code_halves_[(int)codes] + block);
}

// The row of a token's pair with the one before it (at the start of a text: the number after the last token).
// The same as hash_pairs in smallwright/model/embedding.py: multiplicative hashing, of which the high bits are mixed.
static uint64_t pair_row(uint32_t previous, uint32_t token, uint32_t vocabulary, uint32_t rows) {
    constexpr uint32_t kGolden = 2654435769u;   // 2^32 divided by the golden ratio
    const uint32_t key = previous * vocabulary + token;   // only its low 32 bits count
    return ((uint64_t)(key * kGolden) * rows) >> 32;
}

void Session::embed() {
    const ModelSpec& spec = model_.spec();
    const size_t width = spec.width;
    const Weights& weights = model_.weights();
    float* x = slot(Slot::x);
    if (weights.bigrams) counters_.pair_rows += rows_;
    threads_.run((int)rows_, [&](int row, int) {
        float* to = x + row * width;
        model_.read_embedding(tokens_[row], to);
        if (spec.embedding_scale != 1) kernels_.scale(to, spec.embedding_scale, width);
        if (weights.bigrams) {
            const uint32_t previous = positions_[row] ? tokens_[row - 1] : spec.vocabulary;
            float* pair = slot(Slot::h) + row * stride(Slot::h);   // nobody uses it yet
            read_tensor_row(*weights.bigrams, pair_row(previous, tokens_[row], spec.vocabulary, spec.bigrams), pair);
            kernels_.add(to, pair, width);
        }
        if (!weights.token_type.empty()) kernels_.add(to, weights.token_type.data(), width);
        if (weights.positions) kernels_.add(to, weights.positions + (size_t)positions_[row] * width, width);
    });
}

void Session::normalize(const Operation& op) {
    const size_t width = model_.spec().width;
    const float epsilon = model_.spec().epsilon;
    const float* from = slot(op.from);
    float* to = slot(op.to[0]);
    threads_.run((int)rows_, [&](int row, int) {
        const float* x = from + row * width;
        float* y = to + row * width;
        if (op.norm->bias.empty()) kernels_.rms_norm(x, op.norm->weight.data(), width, epsilon, y);
        else kernels_.layer_norm(x, op.norm->weight.data(), op.norm->bias.data(), width, epsilon, y);
        if (op.out != Codes::none) quantize_row(op.out, y, row, 0, width);
    });
}

void Session::quantize(const Operation& op) {
    const float* x = slot(op.from);
    const size_t x_stride = stride(op.from);
    threads_.run((int)rows_, [&](int row, int) { quantize_row(op.out, x + row * x_stride, row, 0, op.width); });
}

template <class F>
void Session::run_even(int units, F&& f) {
    const int threads = threads_.count(), tasks = threads == 1 ? 1 : std::min(units, threads * kTasksOfThread);
    threads_.run(tasks, [&](int task, int thread) {
        f((int)((int64_t)units * task / tasks), (int)((int64_t)units * (task + 1) / tasks), thread);
    });
}

void Session::project(const Operation& op) {
    const Rows in = rows_of(op.from, op.in);
    int first[4] = {0};   // panels of the weights, one after the other
    for (int i = 0; i < op.weights; ++i) {
        first[i + 1] = first[i] + op.weight[i]->w.panels();
        counters_.weight_bytes_read += op.weight[i]->w.size_bytes();
    }
    if (op.head) counters_.head_rows += rows_;
    const int rows = (int)rows_;
    run_even(first[op.weights], [&](int begin, int end, int) {
        for (int i = 0; i < op.weights; ++i) {
            const int from = std::max(begin, first[i]) - first[i], to = std::min(end, first[i + 1]) - first[i];
            if (from >= to) continue;
            const Output out{slot(op.to[i]), stride(op.to[i]), op.weight[i]->bias_or_null(), op.add};
            op.weight[i]->w.multiply(kernels_, in, rows, out, from, to);
        }
    });
}

KeyValues Session::key_values(int layer, const Sequence& sequence) const {
    const LayerSpec& s = model_.spec().layers[layer];
    KeyValues out;
    if (cached_) {
        out.keys = cache_[layer].keys.as();
        out.values = cache_[layer].values.as();
        out.capacity = cache_capacity_;
        out.size = kv_bits_ / 8;
    } else {
        out.keys = scratch_keys_.as() + sequence.start * s.key_value_heads * s.head_width * sizeof(float);
        out.values = scratch_values_.as() + sequence.start * s.key_value_heads * round_up(s.head_width, kPanel) * sizeof(float);
        out.capacity = sequence.capacity;
        out.size = 4;
    }
    return out;
}

void Session::rotate(float* x, int position, const LayerSpec& layer) const {
    if (layer.rotary_base <= 0) return;
    const Rotary* rotary = rotary_.data();
    while (!rotary->fits(layer)) ++rotary;
    const size_t half = layer.head_width / 2, at = (size_t)position * half;
    (model_.spec().rotary_pairs ? kernels_.rotate_pairs : kernels_.rotate_halves)(x, rotary->cos.data() + at, rotary->sin.data() + at, half);
}

namespace {

template <class Value>
void scatter(const KeyValues& to, int head, int width, size_t position, const Value* key, const Value* value) {
    Value* keys = reinterpret_cast<Value*>(to.keys) + (size_t)head * to.capacity * width + position / kPanel * kPanel * width + position % kPanel;
    for (int d = 0; d < width; ++d) keys[(size_t)d * kPanel] = key[d];
    const size_t padded = round_up(width, kPanel);
    Value* values = reinterpret_cast<Value*>(to.values) + (size_t)head * to.capacity * padded + position * kPanel;
    for (int d = 0; d < width; d += kPanel)
        std::memcpy(values + (size_t)(d / kPanel) * to.capacity * kPanel, value + d, std::min(kPanel, width - d) * sizeof(Value));
}

}  // namespace

void Session::store_keys(const Operation& op) {
    const LayerSpec& s = model_.spec().layers[op.layer];
    // One row alone: the tile that attends to a head stores it first, one section of threads less.
    store_late_ = rows_ == 1 && sequences_.size() == 1 && s.heads / s.key_value_heads <= (int)kTileRows && !keep_.empty();
    if (store_late_) return;
    run_even((int)rows_ * s.key_value_heads, [&](int begin, int end, int) {
        for (int i = begin; i < end; ++i) store_head(op, (size_t)(i / s.key_value_heads), i % s.key_value_heads);
    });
}

// The key and the value of one row and one head: normalised, rotated, stored.
void Session::store_head(const Operation& op, size_t row, int head) {
    const LayerSpec& s = model_.spec().layers[op.layer];
    const KeyValues to = key_values(op.layer, sequences_[owner_[row]]);
    const int width = s.head_width, position = positions_[row];
    float* key = slot(Slot::k) + row * stride(Slot::k) + (size_t)head * width;
    const float* value = slot(Slot::v) + row * stride(Slot::v) + (size_t)head * width;
    if (s.qk_norm) kernels_.rms_norm(key, model_.weights().layers[op.layer].k_norm.data(), width, model_.spec().epsilon, key);
    rotate(key, position, s);
    if (to.size == 4) return scatter(to, head, width, position, key, value);
    uint16_t half_key[1024], half_value[1024];
    kernels_.to_half(key, half_key, width);
    kernels_.to_half(value, half_value, width);
    scatter(to, head, width, position, half_key, half_value);
}

void Session::select(const Operation&) {
    if (keep_.size() == rows_) return;
    const size_t width = model_.spec().width;
    const size_t codes = model_.plan().code_widths[(int)Codes::first];
    const bool normed = !model_.spec().post_norm;
    size_t sequence = 0, begin = 0;
    for (size_t i = 0; i < keep_.size(); ++i) {
        const size_t row = keep_[i];
        while (row >= sequences_[sequence].row + sequences_[sequence].rows) {
            sequences_[sequence].row = begin;
            sequences_[sequence].rows = i - begin;
            begin = i;
            ++sequence;
        }
        if (row == i) continue;
        std::memcpy(slot(Slot::x) + i * width, slot(Slot::x) + row * width, width * sizeof(float));
        if (normed) std::memcpy(slot(Slot::h) + i * width, slot(Slot::h) + row * width, width * sizeof(float));
        if (codes) {
            const int c = (int)Codes::first;
            const size_t blocks = codes / kBlock;
            std::memcpy(codes_[c] + i * codes, codes_[c] + row * codes, codes);
            std::memcpy(code_scales_[c] + i * blocks, code_scales_[c] + row * blocks, blocks * sizeof(float));
            std::memcpy(code_offsets_[c] + i * blocks, code_offsets_[c] + row * blocks, blocks * sizeof(int32_t));
            std::memcpy(code_halves_[c] + i * blocks, code_halves_[c] + row * blocks, blocks * sizeof(int32_t));
        }
        positions_[i] = positions_[row];
    }
    for (; sequence < sequences_.size(); ++sequence) {
        sequences_[sequence].row = begin;
        sequences_[sequence].rows = keep_.size() - begin;
        begin = keep_.size();
    }
    rows_ = keep_.size();
}

void Session::attend(const Operation& op) {
    const LayerSpec& s = model_.spec().layers[op.layer];
    const int group = s.heads / s.key_value_heads;
    tiles_.clear();
    for (const Sequence& sequence : sequences_) {
        if (sequence.rows == 1 && group > 1) {   // the query heads that share a key head go together
            for (int head = 0; head < s.heads; head += group)
                for (int h = 0; h < group; h += (int)kTileRows)
                    tiles_.push_back({&sequence, sequence.row, 1, head + h, std::min((int)kTileRows, group - h)});
            continue;
        }
        for (int head = 0; head < s.heads; ++head)
            for (size_t r = 0; r < sequence.rows; r += kTileRows)
                tiles_.push_back({&sequence, sequence.row + r, std::min(kTileRows, sequence.rows - r), head, 1});
    }
    // few tiles are shared out one by one, many in runs
    const size_t run = tiles_.size() / ((size_t)threads_.count() * 16) + 1;
    threads_.run((int)((tiles_.size() + run - 1) / run), [&](int task, int thread) {
        const size_t end = std::min(tiles_.size(), (task + 1) * run);
        for (size_t i = task * run; i < end; ++i) attend_tile(op, tiles_[i], thread);
    });
}

void Session::attend_tile(const Operation& op, const Tile& tile, int thread) {
    const LayerSpec& s = model_.spec().layers[op.layer];
    const LayerWeights& weights = model_.weights().layers[op.layer];
    const bool causal = model_.spec().causal;
    const int width = s.head_width, key_head = tile.head / (s.heads / s.key_value_heads);
    const int n = (int)tile.rows * tile.heads;
    const KeyValues kv = key_values(op.layer, *tile.sequence);
    const size_t q_step = tile.heads > 1 ? width : stride(Slot::q), mixed_step = tile.heads > 1 ? width : stride(Slot::mixed);
    float* q = slot(Slot::q) + tile.row * stride(Slot::q) + (size_t)tile.head * width;
    float* mixed = slot(Slot::mixed) + tile.row * stride(Slot::mixed) + (size_t)tile.head * width;
    const auto row_of = [&](int i) { return tile.heads > 1 ? tile.row : tile.row + i; };
    const auto valid = [&](int i) { return causal ? (size_t)positions_[row_of(i)] + 1 : tile.sequence->length; };
    const auto first = [&](int i) { return s.window ? valid(i) - std::min<size_t>(valid(i), s.window) : 0; };
    const size_t length = valid(n - 1);
    if (store_late_) store_head(op, tile.row, key_head);
    for (int i = 0; i < n; ++i) {
        if (s.qk_norm) kernels_.rms_norm(q + i * q_step, weights.q_norm.data(), width, model_.spec().epsilon, q + i * q_step);
        rotate(q + i * q_step, positions_[row_of(i)], s);
        kernels_.scale(q + i * q_step, s.query_scale, width);
    }
    const Product product = kernels_.products.of[(int)(kv.size == 4 ? Format::f32 : Format::f16)];
    float* scores = thread_scores_[thread].as<float>();
    Matrix keys;
    keys.data = kv.keys + (size_t)key_head * kv.capacity * width * kv.size;
    keys.panel_stride = (size_t)width * kPanel * kv.size;
    keys.rows = (int)length;
    keys.cols = width;
    Rows queries;
    queries.f32 = q;
    queries.f32_stride = q_step;
    product(keys, queries, n, Output{scores, thread_score_keys_, nullptr, false}, 0, (int)((length + kPanel - 1) / kPanel));
    float sums[kTileRows];
    for (int i = 0; i < n; ++i) {
        float* row = scores + i * thread_score_keys_;
        const size_t from = first(i);
        if (s.score_softcap > 0) cap(row + from, valid(i) - from, s.score_softcap);
        std::fill(row, row + from, 0.0f);
        sums[i] = kernels_.softmax(row + from, valid(i) - from, length - from);
    }
    Matrix values;
    values.data = kv.values + (size_t)key_head * kv.capacity * round_up(width, kPanel) * kv.size;
    values.panel_stride = kv.capacity * kPanel * kv.size;
    values.rows = width;
    values.cols = (int)length;
    Rows shares;
    shares.f32 = scores;
    shares.f32_stride = thread_score_keys_;
    product(values, shares, n, Output{mixed, mixed_step, nullptr, false}, 0, (width + kPanel - 1) / kPanel);
    for (int i = 0; i < n; ++i) {
        kernels_.scale(mixed + i * mixed_step, 1.0f / sums[i], width);
        if (op.out != Codes::none) quantize_row(op.out, mixed + i * mixed_step, row_of(i), (size_t)(tile.head + (tile.heads > 1 ? i : 0)) * width, width);
    }
}

void Session::feed(const Operation& op) {
    const LayerSpec& s = model_.spec().layers[op.layer];
    const LayerWeights& weights = model_.weights().layers[op.layer];
    const int panels = weights.up.w.panels(), pairs = (panels + kPair - 1) / kPair;
    counters_.weight_bytes_read += weights.up.w.size_bytes() + (s.gated ? weights.gate.w.size_bytes() : 0);
    // Of many rows a thread takes so few columns at a time that what is between the products stays in its cache.
    const int most = std::max<int>(1, (int)(kFeedFloats / (kPair * kPanel * rows_)));
    reserve_feed_scratch(rows_ * (size_t)std::min(most, pairs) * kPair * kPanel);
    run_even(pairs, [&](int first, int last, int thread) {
        for (int pair = first; pair < last; pair += most)
            feed_columns(op, pair * kPair, std::min(std::min(pair + most, last) * kPair, panels), thread);
    });
}

void Session::feed_columns(const Operation& op, int panel_begin, int panel_end, int thread) {
    const LayerSpec& s = model_.spec().layers[op.layer];
    const LayerWeights& weights = model_.weights().layers[op.layer];
    const Rows in = rows_of(op.from, op.in);
    const int rows = (int)rows_;
    const size_t from = (size_t)panel_begin * kPanel, to = std::min<size_t>((size_t)panel_end * kPanel, s.feedforward_width);
    const size_t columns = to - from, wide = (size_t)(panel_end - panel_begin) * kPanel;
    // Where only the codes are read again, the numbers themselves stay with the thread.
    float* const scratch = thread_feed_[thread].as<float>();
    const bool keeps = op.out != Codes::none;
    const size_t up_stride = keeps ? wide : stride(Slot::up);
    float* const up = keeps ? scratch : slot(Slot::up) + from;
    float* const gate = scratch + thread_feed_floats_;
    weights.up.w.multiply(kernels_, in, rows, Output{up - from, up_stride, weights.up.bias_or_null(), false}, panel_begin, panel_end);
    if (s.gated)
        weights.gate.w.multiply(kernels_, in, rows, Output{gate - from, wide, weights.gate.bias_or_null(), false}, panel_begin, panel_end);
    for (int row = 0; row < rows; ++row) {
        float* const x = up + row * up_stride;
        float* const activated = s.gated ? gate + row * wide : x;
        kernels_.activate[(int)s.activation](activated, columns);
        if (s.gated) kernels_.multiply(x, activated, columns);
        if (keeps) quantize_row(op.out, x, row, from, columns);
    }
}

void Session::add(const Operation& op) {
    const size_t width = model_.spec().width;
    const float* from = slot(op.from);
    float* to = slot(op.to[0]);
    threads_.run((int)rows_, [&](int row, int) { kernels_.add(to + row * width, from + row * width, width); });
}

// c tanh(x / c): nearly x where it is small, never beyond c.
void Session::cap(float* x, size_t n, float softcap) const {
    kernels_.scale(x, 1.0f / softcap, n);
    kernels_.activate[(int)Activation::tanh](x, n);
    kernels_.scale(x, softcap, n);
}

void Session::pool(const Operation& op) {
    const size_t width = model_.spec().width;
    threads_.run((int)sequences_.size(), [&](int i, int) {
        const Sequence& sequence = sequences_[i];
        float* mean = slot(op.to[0]) + (size_t)i * width;
        const float* x = slot(op.from) + sequence.row * width;
        std::memcpy(mean, x, width * sizeof(float));
        for (size_t r = 1; r < sequence.rows; ++r) kernels_.add(mean, x + r * width, width);
        kernels_.scale(mean, 1.0f / (float)sequence.rows, width);
    });
    rows_ = sequences_.size();
}

}  // namespace sw
