// One user of a model: threads, buffers, the states of growing texts, counters. Not thread-safe.
// Enters: tokens, checked here. Leaves: logits. Not here: choosing tokens (generator).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/mixer.h"

namespace sw {

// Tokens that a text grows by in one pass, and which of their logits are wanted.
struct Piece {
    enum class Keep { none, last, all };
    State* state = nullptr;   // of this session; no two pieces of a pass have the same
    const int32_t* tokens = nullptr;
    size_t count = 0;         // 1 to kRowsOfPass, with those of the other pieces
    Keep keep = Keep::none;

    size_t kept() const { return keep == Keep::all ? count : keep == Keep::last ? 1 : 0; }   // rows of logits
};

constexpr size_t kRowsOfPass = 256;    // a longer prompt is cut into passes
constexpr size_t kRowsOfTexts = 512;   // more whole texts are cut into batches

class Session {
public:
    // threads: 0 (all cores) to 256; kv_bits: 8, 16 or 32, of the keys and values of a text that is generated;
    // activation_bits: 8, or 16 (bf16) for models that read whole texts. Throws Error kinds "bad_argument", "unsupported_isa".
    Session(const Model& model, int threads, int kv_bits, int activation_bits = 8);

    const Model& model() const { return model_; }
    Counters counters() const;
    // Whether the clock is read around every operation that multiplies weights. Off: a small model would feel it.
    void time_products(bool on) { times_products_ = on; }
    State& text() { return text_; }   // the one that append grows
    const State& text() const { return text_; }
    // An empty text of its own. Given back, its memory is used again.
    std::unique_ptr<State> make_state();
    void give_back(std::unique_ptr<State> state);

    // (count, classes) logits of sequences stored one after another; offsets has count + 1 entries.
    // Throws Error kinds "wrong_task", "empty_input", "too_long", "bad_token", "nan_logits".
    void classify(const int32_t* tokens, const size_t* offsets, size_t count, float* logits);
    // Appends to text(); logits null, (count, vocabulary) when all_rows, else (1, vocabulary). On an error the text stays
    // as it was. Throws as classify, and "context_full".
    void append(const int32_t* tokens, size_t count, bool all_rows, float* logits);
    // One pass over the weights for all pieces. logits: (rows kept, vocabulary), in their order; whether they are numbers
    // is not checked. Throws as append.
    void extend(const std::vector<Piece>& pieces, float* logits);
    // Throws Error kind "bad_token".
    void check_tokens(const int32_t* tokens, size_t count) const;

private:
    void check_piece(const Piece& piece) const;
    void run();   // the pass, which has been filled
    void run(const Operation& op);

    const Model& model_;
    Pass pass_;
    std::vector<std::unique_ptr<Mixer>> mixers_;   // by kind
    State text_;
    std::vector<std::unique_ptr<State>> spare_;   // given back
    bool times_products_ = false;
};

// Throws Error kind "nan_logits" when one is not a number.
void check_finite(const float* logits, size_t count);

}  // namespace sw
