// SentencePiece's pair merging, as Llama 2, Mistral and Gemma use it: characters merge into tokens, the best score first.
// Enters: a checked Pipeline, then pieces of text. Leaves: tokens. Not here: special tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/pipeline.h"
#include "tokenizer/vocabulary.h"

namespace sw {

class SentencePiece {
public:
    explicit SentencePiece(const Pipeline& pipeline);
    // Valid UTF-8. A space goes in front where the pipeline says so.
    void encode(std::string_view text, std::vector<int32_t>& out) const;
    // The bytes that a token stands for; `first`: without the space that was put in front of a text.
    std::string_view text_of(int32_t token, bool first) const;

private:
    StringTable spelled_;
    StringPool text_;
    std::vector<float> scores_;
    int32_t byte_tokens_[256];   // of <0x00> to <0xFF>; the unknown token where the vocabulary lacks one
    bool add_prefix_space_;
};

}  // namespace sw
