// A file opened as a model: its description, its packed weights, its tokenizer and its plan. Immutable; shared by sessions.
// Enters: a path. Leaves: a Model whose every tensor has the shape that the description demands.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/plan.h"
#include "engine/spec.h"
#include "file/gguf.h"
#include "kernels/kernels.h"
#include "tokenizer/tokenizer.h"

namespace sw {

class Model {
public:
    // Throws Error: those of File, ModelSpec and Tokenizer, and "missing_tensor", "bad_shape", "bad_type",
    // "bad_vocabulary", "unsupported_isa",
    // "bad_tiles".
    // in_place: weights stay in the file and are packed as they are used. Less memory, no loading, slower.
    static std::unique_ptr<Model> open(const std::string& path, bool in_place = false);
    // Writes the packed weights beside the file, where `open` finds them. Throws the same, and "cannot_write".
    static void prepare(const std::string& path);
    static std::unique_ptr<Model> parse(const uint8_t* bytes, uint64_t size_bytes, bool in_place = false);   // borrows memory (fuzzing)

    const ModelSpec& spec() const { return spec_; }
    const Kernels& kernels() const { return kernels_; }
    const Weights& weights() const { return weights_; }
    const Plan& plan() const { return plan_; }
    const std::string& description() const { return description_; }
    // Throws Error kind "no_tokenizer" when the file has none.
    const Tokenizer& tokenizer() const;
    std::string_view find_text(std::string_view key) const;   // of the file; empty when it has none
    std::string_view find_token_text(std::string_view key) const;   // spelling of the token whose number a key holds, likewise
    int outputs() const { return spec_.classifier ? (int)spec_.labels.size() : spec_.vocabulary; }
    void read_embedding(int token, float* out) const;   // (width)

    // Tokens of a text to classify: cut at the end to fit the context, the suffix tokens kept.
    std::vector<int32_t> encode_for_classes(std::string_view text, bool& truncated) const;
    // A prompt as this package learned them: what stands before it, and after a whole one, and its letters small, where the task says so.
    std::string write_prompt(std::string_view text, bool whole) const;
    // Tokens of a written prompt: with the prefix, without the suffix.
    std::vector<int32_t> encode_prompt(std::string_view text) const;

private:
    Model(File file, bool in_place, const std::string& path);
    File file_;
    const Kernels& kernels_;
    ModelSpec spec_;
    Weights weights_;
    Plan plan_;
    std::unique_ptr<Tokenizer> tokenizer_;
    size_t suffix_tokens_ = 0;
    std::string description_;
};

}  // namespace sw
