// BERT's normaliser, its words, and the greedy longest-match of WordPiece.
// Enters: a checked Pipeline, then text. Leaves: tokens. Not here: special tokens, prefix and suffix.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/pipeline.h"
#include "tokenizer/vocabulary.h"

namespace sw {

class WordPiece {
public:
    explicit WordPiece(const Pipeline& pipeline);
    void encode(std::string_view text, std::vector<int32_t>& out) const;   // `text` is UTF-8
    // The text of a token: at the beginning of a sequence, and as it continues one.
    std::string_view first_text(int32_t token) const { return first_[static_cast<size_t>(token)]; }
    std::string_view next_text(int32_t token) const { return next_[static_cast<size_t>(token)]; }

private:
    Codes normalize(std::string_view text) const;
    void encode_word(const Codes& codes, size_t begin, size_t end, std::vector<int32_t>& out) const;

    StringTable starts_;          // pieces that start a word
    StringTable continuations_;   // pieces inside one, without their "##"
    StringPool first_;
    StringPool next_;
    bool lowercase_;
    bool strip_accents_;
    bool clean_text_;
    bool split_cjk_;
    size_t max_word_chars_;
    int32_t unknown_;
};

}  // namespace sw
