// Requests: checked, cut into passes, and run through the plan.
#include "engine/session.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "engine/operations.h"

namespace sw {
namespace {

constexpr size_t kMostSpare = 4;             // texts whose memory is kept
constexpr size_t kWorthThreads = 1u << 20;   // multiply-adds of a pass that are done before a second thread has woken

using Mixers = std::vector<std::unique_ptr<Mixer>>;

Mixers make_mixers(const Model& model, int threads, int kv_bits) {
    if (kv_bits != 8 && kv_bits != 16 && kv_bits != 32)
        throw Error("bad_argument", "kv_bits must be 8, 16 or 32. Got " + std::to_string(kv_bits) + ".");
    Mixers mixers;
    for (const MixerKind* kind : kMixers) mixers.push_back(kind->make(model, kv_bits, threads));
    return mixers;
}

// Whether rows are rounded to bf16. A text that is continued must get the bits that it would get in one pass, and a pass
// of one row is no faster so: such models have no 16 bits.
bool read_rounds(const Model& model, int activation_bits) {
    if (activation_bits == 8) return false;
    if (activation_bits != 16) throw Error("bad_argument", "activation_bits must be 8 or 16. Got " + std::to_string(activation_bits) + ".");
    if (!model.spec().classifier)
        throw Error("bad_argument", "activation_bits 16 needs a model that reads whole texts (a classifier). This one continues them; use 8.");
    if (!model.kernels().rounded_products)
        throw Error("unsupported_isa", std::string("activation_bits 16 needs a processor with AMX. Got the kernels ") + model.kernels().name + "; use 8.");
    return true;
}

std::vector<std::unique_ptr<MixerState>> make_states(const Mixers& mixers) {
    std::vector<std::unique_ptr<MixerState>> states;
    for (const auto& mixer : mixers) states.push_back(mixer->make_state());
    return states;
}

}  // namespace

void check_finite(const float* logits, size_t count) {
    int bad = 0;
    for (size_t i = 0; i < count; ++i) bad |= logits[i] != logits[i];   // no early exit: this runs in vectors
    if (bad) throw Error("nan_logits", "logits must be numbers. Got NaN: the weights hold values that are not finite or far too large.");
}

Session::Session(const Model& model, int threads, int kv_bits, int activation_bits)
    : model_(model), pass_(model, threads, read_rounds(model, activation_bits)), mixers_(make_mixers(model, pass_.threads.count(), kv_bits)),
      text_(make_states(mixers_), (size_t)model.spec().context) {}

std::unique_ptr<State> Session::make_state() {
    if (spare_.empty()) return std::make_unique<State>(make_states(mixers_), (size_t)model_.spec().context);
    std::unique_ptr<State> state = std::move(spare_.back());
    spare_.pop_back();
    return state;
}

void Session::give_back(std::unique_ptr<State> state) {
    state->truncate(0);
    if (spare_.size() < kMostSpare) spare_.push_back(std::move(state));
}

Counters Session::counters() const {
    Counters out = pass_.counters;
    out.kv_bytes = text_.size_bytes();
    for (const auto& state : spare_) out.kv_bytes += state->size_bytes();
    return out;
}

void Session::check_tokens(const int32_t* tokens, size_t count) const {
    const int32_t vocabulary = model_.spec().vocabulary;
    for (size_t i = 0; i < count; ++i)
        if (tokens[i] < 0 || tokens[i] >= vocabulary)
            throw Error("bad_token", "a token must be from 0 to " + std::to_string(vocabulary - 1) + ". Got " +
                                         std::to_string(tokens[i]) + " at position " + std::to_string(i) + ".");
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
    for (size_t i = 0; i < count;) {
        pass_.clear();
        const size_t begin = i;
        size_t start = 0;
        for (; i < count; ++i) {
            Sequence sequence;
            sequence.rows = sequence.length = offsets[i + 1] - offsets[i];
            sequence.start = start;
            if (pass_.rows > 0 && pass_.rows + sequence.rows > kRowsOfTexts) break;
            start += round_up(sequence.length, 16);
            pass_.keep.push_back(spec.pooling == Pooling::last ? pass_.rows + sequence.rows - 1 : pass_.rows);
            pass_.add(sequence, tokens + offsets[i]);
        }
        pass_.logits = logits + begin * spec.labels.size();
        run();
        check_finite(pass_.logits, (i - begin) * spec.labels.size());
    }
}

void Session::check_piece(const Piece& piece) const {
    const ModelSpec& spec = model_.spec();
    if (spec.classifier) throw Error("wrong_task", "append needs a model that generates text. This one classifies.");
    if (piece.count == 0) throw Error("empty_input", "append needs at least one token. Got none.");
    if (piece.count > (size_t)spec.context - piece.state->length())
        throw Error("context_full", "a text must have at most " + std::to_string(spec.context) + " tokens (the model's context). Got " +
                                        std::to_string(piece.count) + " after " + std::to_string(piece.state->length()) + ".");
    check_tokens(piece.tokens, piece.count);
}

void Session::append(const int32_t* tokens, size_t count, bool all_rows, float* logits) {
    const Piece whole{&text_, tokens, count, Piece::Keep::none};
    check_piece(whole);
    const size_t before = text_.length(), vocabulary = (size_t)model_.spec().vocabulary;
    try {
        for (size_t done = 0; done < count;) {
            Piece piece = whole;
            piece.tokens = tokens + done;
            piece.count = std::min(kRowsOfPass, count - done);
            const size_t end = done + piece.count;
            if (logits && (all_rows || end == count)) piece.keep = all_rows ? Piece::Keep::all : Piece::Keep::last;
            float* const at = logits && all_rows ? logits + done * vocabulary : logits;
            extend({piece}, at);
            check_finite(at, piece.kept() * vocabulary);
            done = end;
        }
    } catch (...) {
        text_.truncate(before);
        throw;
    }
}

void Session::extend(const std::vector<Piece>& pieces, float* logits) {
    pass_.clear();
    for (const Piece& piece : pieces) {
        check_piece(piece);
        piece.state->reserve(piece.state->length() + piece.count);
        Sequence sequence;
        sequence.state = piece.state;
        sequence.rows = piece.count;
        sequence.past = piece.state->length();
        sequence.length = sequence.past + sequence.rows;
        for (size_t r = piece.count - piece.kept(); r < piece.count; ++r) pass_.keep.push_back(pass_.rows + r);
        pass_.add(sequence, piece.tokens);
    }
    pass_.logits = logits;
    run();
    for (const Piece& piece : pieces) piece.state->grow(piece.count);
}

void Session::run() {
    pass_.prepare();
    for (auto& mixer : mixers_) mixer->prepare(pass_);
    ++pass_.counters.passes;
    pass_.counters.tokens += pass_.rows;
    std::optional<Threads::Pass> awake;
    if (pass_.rows * model_.plan().weights > kWorthThreads) awake.emplace(pass_.threads);
    for (const Operation& op : model_.plan().operations) {
        run(op);
        // Nobody asked for logits: the state is complete once the last layer's keys are stored.
        if (op.kind == Operation::Kind::select && pass_.rows == 0) return;
    }
}

void Session::run(const Operation& op) {
    using Kind = Operation::Kind;
    if (op.kind == Kind::store || op.kind == Kind::mix) {
        Mixer& mixer = *mixers_[(size_t)model_.spec().layers[(size_t)op.layer].mixer];
        return op.kind == Kind::store ? mixer.store(op, pass_) : mixer.mix(op, pass_);
    }
    if (!times_products_ || (op.kind != Kind::project && op.kind != Kind::feed)) return run_operation(op, pass_);
    const auto began = std::chrono::steady_clock::now();
    run_operation(op, pass_);
    pass_.counters.product_ns += (uint64_t)std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - began).count();
}

}  // namespace sw
