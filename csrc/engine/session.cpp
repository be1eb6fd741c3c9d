// Requests: checked, cut into passes, and run through the plan.
#include "engine/session.h"

#include <algorithm>
#include <optional>

#include "engine/operations.h"

namespace sw {
namespace {

constexpr size_t kRowsOfPass = 256;          // a longer prompt is cut into passes, more sequences into batches
constexpr size_t kWorthThreads = 1u << 20;   // multiply-adds of a pass that are done before a second thread has woken
constexpr size_t kLeastRoom = 64;            // tokens

}  // namespace

Session::Session(const Model& model, int threads, int kv_bits) : model_(model), pass_(model, threads) {
    if (kv_bits != 8 && kv_bits != 16 && kv_bits != 32)
        throw Error("bad_argument", "kv_bits must be 8, 16 or 32. Got " + std::to_string(kv_bits) + ".");
    for (const MixerKind* kind : kMixers) mixers_.push_back(kind->make(model, kv_bits, pass_.threads.count()));
}

Counters Session::counters() const {
    Counters out = pass_.counters;
    for (const auto& mixer : mixers_) out.kv_bytes += mixer->state_bytes();
    return out;
}

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

void Session::reserve(size_t tokens) {
    if (tokens <= room_) return;
    const size_t most = (size_t)model_.spec().context;
    const size_t room = std::min(most, std::max({tokens, kLeastRoom, 2 * room_}));
    for (auto& mixer : mixers_) mixer->reserve(room);
    room_ = room;
}

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
    pass_.stateful = false;
    for (size_t i = 0; i < count;) {
        pass_.clear(tokens + offsets[i]);
        const size_t begin = i;
        size_t start = 0;
        for (; i < count; ++i) {
            Sequence sequence;
            sequence.rows = sequence.length = offsets[i + 1] - offsets[i];
            sequence.start = start;
            if (pass_.rows > 0 && pass_.rows + sequence.rows > kRowsOfPass) break;
            start += round_up(sequence.length, 16);
            pass_.keep.push_back(spec.pooling == Pooling::last ? pass_.rows + sequence.rows - 1 : pass_.rows);
            pass_.add(sequence);
        }
        pass_.logits = logits + begin * spec.labels.size();
        run();
        check_finite(pass_.logits, (i - begin) * spec.labels.size());
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
    reserve(length_ + count);
    const size_t vocabulary = (size_t)spec.vocabulary;
    pass_.stateful = true;
    for (size_t done = 0; done < count;) {
        Sequence sequence;
        sequence.rows = std::min(kRowsOfPass, count - done);
        sequence.past = length_ + done;
        sequence.length = sequence.past + sequence.rows;
        pass_.clear(tokens + done);
        pass_.add(sequence);
        done += sequence.rows;
        for (size_t r = 0; logits && r < sequence.rows; ++r)
            if (all_rows || (done == count && r + 1 == sequence.rows)) pass_.keep.push_back(r);
        const size_t kept = pass_.keep.size();
        pass_.logits = logits && all_rows ? logits + (done - sequence.rows) * vocabulary : logits;
        run();
        check_finite(pass_.logits, kept * vocabulary);
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

void Session::run() {
    pass_.prepare();
    for (auto& mixer : mixers_) mixer->prepare(pass_);
    ++pass_.counters.passes;
    pass_.counters.tokens += pass_.rows;
    std::optional<Threads::Pass> awake;
    if (pass_.rows * model_.plan().weights > kWorthThreads) awake.emplace(pass_.threads);
    for (const Operation& op : model_.plan().operations) {
        if (op.kind == Operation::Kind::store || op.kind == Operation::Kind::mix) {
            Mixer& mixer = *mixers_[(size_t)model_.spec().layers[(size_t)op.layer].mixer];
            if (op.kind == Operation::Kind::store) mixer.store(op, pass_);
            else mixer.mix(op, pass_);
            continue;
        }
        run_operation(op, pass_);
        // Nobody asked for logits: the state is complete once the last layer's keys are stored.
        if (op.kind == Operation::Kind::select && pass_.rows == 0) return;
    }
}

}  // namespace sw
