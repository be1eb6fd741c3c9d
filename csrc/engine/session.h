// One user of a model: threads, buffers, the state of a growing text, counters. Not thread-safe.
// Enters: tokens or texts, checked here. Leaves: logits and generated text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/mixer.h"
#include "engine/sample.h"

namespace sw {

class Session {
public:
    // threads: 0 (all cores) to 256; kv_bits: 8, 16 or 32, of the keys and values of a text that is generated. Throws Error kind "bad_argument".
    Session(const Model& model, int threads, int kv_bits);

    const Model& model() const { return model_; }
    Counters counters() const;
    size_t length() const { return length_; }

    // (count, classes) logits of sequences stored one after another; offsets has count + 1 entries.
    // Throws Error kinds "wrong_task", "empty_input", "too_long", "bad_token", "nan_logits".
    void classify(const int32_t* tokens, const size_t* offsets, size_t count, float* logits);
    // Appends to the state; logits null, (count, vocabulary) when all_rows, else (1, vocabulary). On an error the state
    // stays as it was. Throws as classify, and "context_full".
    void append(const int32_t* tokens, size_t count, bool all_rows, float* logits);
    void truncate(size_t length);
    // Returns the number of tokens generated. on_text returns false to stop; its token is -1 in the last call when a
    // text that ends inside a character is completed by U+FFFD.
    int generate(std::string_view prompt, const Sampling& sampling,
                 const std::function<bool(std::string_view, int32_t)>& on_text);

private:
    void check_tokens(const int32_t* tokens, size_t count) const;
    void check_finite(const float* logits, size_t count) const;
    void reserve(size_t tokens);
    void run();   // the pass, which has been filled

    const Model& model_;
    Pass pass_;
    std::vector<std::unique_ptr<Mixer>> mixers_;   // by kind
    size_t room_ = 0;     // tokens that the mixers' states have room for
    size_t length_ = 0;
};

}  // namespace sw
